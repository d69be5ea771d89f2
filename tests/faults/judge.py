"""What must hold at the end of a case: I1–I9 of the invariants, each with what breaks it."""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import sqlalchemy as sa

from bot.platforms.slack.intake import delivery_id as slack_id
from bot.platforms.telegram.calls import ALLOWED_UPDATES
from bot.platforms.telegram.reading import delivery_id as telegram_id
from engine import audit as chain
from prompts.texts import say, text
from storage import actions, attempts, audit_read, incidents, people
from storage.actions import Action
from storage.attempts import Attempt
from storage.lifecycle import FINAL
from storage.tables import inbox
from tests.acceptance.world import PEOPLE, SLACK_ROOM, TELEGRAM_ROOM
from tests.faults.rooms import LANGUAGES, Rooms
from tests.faults.screens import shown_everywhere
from tests.faults.stage import TRIES, Stage

INVARIANTS = tuple(f"I{number}" for number in range(1, 10))
_DECISIONS = ("action.approve", "action.reject")
_ENDS = ("action.succeed", "action.fail")


@dataclass
class Verdict:
    """What was found in one case."""

    violations: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    dead_copies: int = 0
    """Second copies of a card in Telegram, whose buttons do nothing any more."""

    def blame(self, invariant: str, what: str) -> None:
        self.violations[invariant].append(what)


@dataclass
class _Rows:
    """The database at rest."""

    actions: list[Action]
    kinds: dict[str, list[audit_read.Row]]
    """Subject → its audit rows, in order."""
    inbox: dict[tuple[str, str], str]
    """(source, delivery id) → state."""
    attempts: list[Attempt]
    counts: dict[str, int]
    """Fingerprint → how often it was reported, by the incidents."""
    names: dict[int, str]


async def judge(stage: Stage, rooms: Rooms) -> Verdict:
    """Look at rows, hosts and screens. Every process was stopped in order before."""
    verdict = Verdict()
    rows = await _read(stage)
    for check in (_at_most_once, _lost_runs, _decisions, _requests, _repairs, _pace):
        check(stage, rooms, rows, verdict)
    async with stage.db.read() as tx:
        proof = await chain.verify(tx, stage.audit)
    for line in proof.lines if not proof.ok else ():
        verdict.blame("I6", line)
    if proof.signed_rows != proof.rows:
        verdict.blame("I6", f"{proof.signed_rows} of {proof.rows} rows are signed after the close")
    for copy in await shown_everywhere(stage):
        verdict.dead_copies += copy.dead
        for problem in copy.problems:
            verdict.blame("I8", problem)
    return verdict


async def _read(stage: Stage) -> _Rows:
    async with stage.db.read() as tx:
        kinds: dict[str, list[audit_read.Row]] = defaultdict(list)
        async for row in audit_read.walk(tx):
            kinds[row.record.subject].append(row)
        kept = await tx.all(sa.select(inbox.c.source, inbox.c.delivery_id, inbox.c.state))
        found = await incidents.listing(tx, 10_000)
        counts: Counter[str] = Counter()
        for one in found:
            counts[one.fingerprint] += one.count
        return _Rows(
            await actions.listing(tx, limit=100_000),
            kinds,
            {(row.source, row.delivery_id): row.state for row in kept},
            [a for one in found for a in await attempts.of_incident(tx, one.id)],
            counts,
            {person.id: person.name for person in await people.everyone(tx)},
        )


def _at_most_once(stage: Stage, _: Rooms, rows: _Rows, verdict: Verdict) -> None:
    """I1: a host got each command at most once for each action that was claimed."""
    sent: Counter[tuple[str, str]] = Counter()
    for line in stage.outside.hosts.ledger.read_text("utf-8").splitlines():
        entry = json.loads(line)
        sent[entry["host"], json.dumps(entry["argv"])] += 1
    allowed: Counter[tuple[str, str]] = Counter()
    due: Counter[tuple[str, str]] = Counter()
    ours = [action for action in rows.actions if action.type != "service_status"]
    for action in ours:
        kinds = _kinds(rows, action)
        if kinds.count("action.claim") > 1:
            verdict.blame("I1", f"#{action.id} was claimed {kinds.count('action.claim')} times")
        for step in action.plan["steps"]:
            key = step["host"], json.dumps(list(step["argv"]))
            allowed[key] += min(1, kinds.count("action.claim"))
            due[key] += "action.succeed" in kinds
    for key in allowed:
        if sent[key] > allowed[key]:
            verdict.blame("I1", f"{key} was sent {sent[key]} times for {allowed[key]} claims")
        if sent[key] < due[key]:
            verdict.blame("I1", f"{key} was sent {sent[key]} times, and {due[key]} succeeded")


def _lost_runs(stage: Stage, _: Rooms, rows: _Rows, verdict: Verdict) -> None:
    """I4: what ran when its process died is UNKNOWN until a person says what became of it."""
    for action in rows.actions:
        kinds = _kinds(rows, action)
        if action.id in stage.running_at_death and "action.lose" not in kinds:
            verdict.blame("I4", f"#{action.id} ran when the process died: {kinds}")
        if "action.lose" in kinds and set(kinds[kinds.index("action.lose") :]) & {
            *_ENDS,
            "action.claim",
        }:
            verdict.blame("I4", f"#{action.id} went on after it was lost: {kinds}")


def _decisions(_: Stage, rooms: Rooms, rows: _Rows, verdict: Verdict) -> None:
    """I2: whoever was told that a decision counts is in the row; I5: it is the only one."""
    for action in rows.actions:
        made = [row.record for row in rows.kinds[action.subject] if row.record.kind in _DECISIONS]
        if len(made) > 1:
            verdict.blame("I5", f"#{action.id} was decided {len(made)} times")
        if any(one.actor == _actor(rows, action.requester_id) for one in made):
            verdict.blame("I5", f"#{action.id} was decided by its requester")
        digests = {
            row.record.detail["digest"]
            for row in rows.kinds[action.subject]
            if "digest" in row.record.detail
        }
        if digests != {action.digest}:
            verdict.blame("I5", f"#{action.id} has the digests {digests}")
        claimed = "action.claim" in _kinds(rows, action)
        if claimed and action.risk in ("HIGH", "CRITICAL") and not made:
            verdict.blame("I5", f"#{action.id} is {action.risk} and ran without a decision")
        for person, language in LANGUAGES.items():
            for verb in ("approve", "reject"):
                told = say(text(f"decided_{verb}", id=action.id), language)
                heard = any(told in one for one in _heard(rooms, person))
                decided = any(
                    _says(one.actor, person) and one.kind == f"action.{verb}" for one in made
                )
                if heard and not decided:
                    verdict.blame("I2", f"{person} heard {told!r}, and there is no such row")
        if action.state not in FINAL:
            verdict.blame("I3", f"#{action.id} stands at {action.state}")


def _requests(stage: Stage, rooms: Rooms, rows: _Rows, verdict: Verdict) -> None:
    """I3: what was acknowledged is a row, and each row came to its end."""
    outside = stage.outside
    wanted = {("slack", slack_id(one.payload)) for one in outside.slack.sent if one.acked}
    bot = outside.telegram.state.bot_id
    for update in outside.telegram.updates.handed_out:
        listened = any(kind in update for kind in ALLOWED_UPDATES)
        if listened and update not in outside.telegram.updates.pending:
            wanted.add(("telegram", telegram_id(bot, update)))
    for key in wanted:
        if key not in rows.inbox:
            verdict.blame("I3", f"{key} was acknowledged and is not in the inbox")
    web = [key for source, key in rows.inbox if source == "web"]
    for page in rooms.web.pages.values():
        for one in page.sent:
            kept = [key for key in web if f":{one.frame['id']}:" in key]
            if one.acked and len(kept) != 1:
                verdict.blame("I3", f"{one.frame} was acknowledged and kept {len(kept)} times")
    for key, state in rows.inbox.items():
        if state != "DONE":
            verdict.blame("I3", f"{key} ended as {state}")
    taken, cut = Counter(rooms.alarms.taken), Counter(rooms.alarms.cut)
    for name in taken | cut | Counter(rows.counts):
        if not taken[name] <= rows.counts.get(name, 0) <= taken[name] + cut[name]:
            told = f"{taken[name]} taken, {cut[name]} unanswered, {rows.counts.get(name)} in rows"
            verdict.blame("I3", f"alarms of {name}: {told}")


def _repairs(_: Stage, __: Rooms, rows: _Rows, verdict: Verdict) -> None:
    """I7: so many repairs of an incident's target at most, and so far apart at least."""
    by_target: dict[tuple[int, str], list[Attempt]] = defaultdict(list)
    for one in sorted(rows.attempts, key=lambda attempt: attempt.id):
        if one.action_id is not None:
            for target in one.targets:
                by_target[one.incident_id, target].append(one)
    for key, tried in by_target.items():
        if len(tried) > TRIES:
            verdict.blame("I7", f"{key} was repaired {len(tried)} times")
        for earlier, later in itertools.pairwise(tried):
            pause = later.started_at - (earlier.finished_at or later.started_at)
            if pause < 30 * 60_000:
                verdict.blame("I7", f"{key}: {pause} ms between two repairs")
    for asked in {one.action_id for one in rows.attempts if one.action_id is not None}:
        if sum(one.action_id == asked for one in rows.attempts) > 1:
            verdict.blame("I7", f"#{asked} belongs to more than one attempt")


def _pace(stage: Stage, _: Rooms, __: _Rows, verdict: Verdict) -> None:
    """I9: the services saw nothing that breaks their rules."""
    for what in (*stage.outside.slack.violations, *stage.outside.telegram.violations):
        verdict.blame("I9", what)


def _kinds(rows: _Rows, action: Action) -> list[str]:
    return [row.record.kind for row in rows.kinds[action.subject]]


def _actor(rows: _Rows, person: int) -> str:
    return f"person:{rows.names.get(person, '?')}"


def _says(actor: str, name: str) -> bool:
    return actor.rpartition(":")[2] == name


def _heard(rooms: Rooms, person: str) -> list[str]:
    """Everything that a person was told, in any room."""
    _, _, _, slack, telegram = next(one for one in PEOPLE if one[0] == person)
    outside = rooms.stage.outside
    words = [m.text for m in outside.slack.screen(SLACK_ROOM, slack) if m.by_bot]
    words += [alert.text for alert in outside.telegram.alerts(telegram)]
    words += [m.text for m in outside.telegram.cards(TELEGRAM_ROOM)]
    return words + [str(m["content"]) for m in rooms.web.pages[person].shown.values()]
