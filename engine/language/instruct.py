"""Any instruct model in a GGUF file, as the child process asks it.

The file's own chat template draws the conversation once, at the start.  What stands before the
message is evaluated then and stays in the model's cache, so a message costs only its own tokens.
The grammar of a JSON schema, where there is one, bounds what the model may write.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import llama_cpp
from jinja2 import TemplateError
from llama_cpp.llama_chat_format import Jinja2ChatFormatter
from llama_cpp.llama_grammar import LlamaGrammar

_CONTEXT = 6144
"""Tokens of opening, message and answer together; a message has at most 4,000 characters."""
_ANSWER = 512
"""Tokens of one answer at most; a parse takes about 150."""
_SHORTEST_MESSAGE = 128
"""Tokens that must be left for a message."""
_MARK = "message-7b1f64"
"""Stands for the message while the template is drawn."""


def load(order: dict[str, Any]) -> Instruct:
    """The model of the orders, ready to answer. Raises RuntimeError with the reason and the mend,
    and ValueError for a file that llama.cpp does not take."""
    try:
        model = llama_cpp.Llama(
            order["path"],
            n_ctx=_CONTEXT,
            n_threads=order["threads"],
            n_threads_batch=order["threads"],
            verbose=False,
        )
    except TemplateError as error:  # compiled while the file is loaded
        raise _bad_template(error) from None
    schema = order["schema"]
    return Instruct(model, order["turns"], json.dumps(schema) if schema else None)


class Instruct:
    """One loaded model."""

    told: Mapping[str, Any] = {"kind": "instruct"}

    def __init__(self, model: Any, turns: list[dict[str, str]], schema: str | None) -> None:
        self.model = model
        self._vocabulary = llama_cpp.llama_model_get_vocab(model.model)
        self._grammar = LlamaGrammar.from_json_schema(schema, verbose=False) if schema else None
        before, after = _draw(model, turns)
        self._opening = self._tokens(before, special=True)
        self._closing = self._tokens(after, special=True)
        self._check_room()
        model.eval(self._opening)

    def answer(self, said: str) -> str:
        """The model's JSON or text for a message. Raises RuntimeError when it has none."""
        # The message is cut into plain tokens only: words such as "<|im_end|>" end no turn.
        message = self._tokens(said.strip(), special=False)
        prompt = [*self._opening, *message, *self._closing]
        if len(prompt) + _ANSWER > self.model.n_ctx():
            raise RuntimeError(f"the message has {len(message)} tokens, too many for this model")
        answer: list[int] = []
        for token in self.model.generate(prompt, temp=0.0, grammar=self._grammar):
            if llama_cpp.llama_vocab_is_eog(self._vocabulary, token):
                return str(self.model.detokenize(answer).decode("utf-8", "replace"))
            answer.append(token)
            if len(answer) > _ANSWER:
                break
        raise RuntimeError(f"no end of the answer within {_ANSWER} tokens")

    def _tokens(self, text: str, *, special: bool) -> list[int]:
        return list(self.model.tokenize(text.encode(), add_bos=False, special=special))

    def _check_room(self) -> None:
        needed = len(self._opening) + len(self._closing) + _SHORTEST_MESSAGE + _ANSWER
        trained = llama_cpp.llama_model_n_ctx_train(self.model.model)
        if needed > min(trained, self.model.n_ctx()):
            raise RuntimeError(
                f"its context of {trained} tokens is too small, {needed} are needed; name another"
                " model in [model] path"
            )


def _draw(model: Any, turns: list[dict[str, str]]) -> tuple[str, str]:
    """What stands before and after a message. Raises RuntimeError when the template fails."""
    template = model.metadata.get("tokenizer.chat_template")
    if not template:
        raise RuntimeError(
            "it has no chat template, so it is no instruct model; name one that has in [model] path"
        )
    asked = [*turns, {"role": "user", "content": _MARK}]
    why: Exception | None = None
    for messages in (asked, _without_system(asked)):
        try:
            drawn = _render(model, template, messages)
        # TypeError and the like: the template is a program of the file's author.
        except (TemplateError, ValueError, TypeError, ArithmeticError, LookupError) as error:
            why = why or error
            continue
        before, mark, after = drawn.partition(_MARK)
        if mark and _MARK not in after:
            return before, after
        why = why or ValueError("the message does not stand in it once")
    assert why is not None
    raise _bad_template(why)


def _bad_template(why: Exception) -> RuntimeError:
    return RuntimeError(
        f"its chat template cannot be used ({type(why).__name__}: {str(why)[:200]}); name another"
        " model in [model] path"
    )


def _without_system(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """The instructions at the head of the first message, for templates without a system turn."""
    system, first, *rest = turns
    together = f"{system['content']}\n\n{first['content']}"
    return [{"role": "user", "content": together}, *rest]


def _render(model: Any, template: str, messages: Any) -> str:
    """The template's text, drawn in a sandbox. Raises what the template raises."""
    formatter = Jinja2ChatFormatter(
        template=template,
        eos_token=_special(model, model.token_eos()),
        bos_token=_special(model, model.token_bos()),
    )
    # Models that think aloud first are told not to: the grammar leaves no room for it.
    prompt = str(formatter(messages=messages, enable_thinking=False).prompt)
    if llama_cpp.llama_vocab_get_add_bos(llama_cpp.llama_model_get_vocab(model.model)):
        begin = _special(model, model.token_bos())
        prompt = prompt if prompt.startswith(begin) else begin + prompt
    return prompt


def _special(model: Any, token: int) -> str:
    if token < 0:
        return ""
    vocabulary = llama_cpp.llama_model_get_vocab(model.model)
    return str(llama_cpp.llama_vocab_get_text(vocabulary, token).decode("utf-8", "replace"))
