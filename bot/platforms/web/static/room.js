// The page: who I am, which room, what was said there.

import { Banner } from "/static/banner.js";
import { Composer } from "/static/compose.js";
import { arrange, drawMessage, element, hue, initial, setBusy } from "/static/draw.js";
import { Link } from "/static/link.js";

const find = (id) => document.getElementById(id);
const view = { texts: {}, language: "en", name: "", codes: [] };
const waiting = new Map(); // delivery id → what to do when it is answered
const limits = { text: Infinity, told: "" };
let rooms = [];
let link = null;
let composer = null;
let settleReason = () => {}; // ends the question for a reason: words, or null when it was cancelled

async function start() {
  const answer = await fetch("/api/web/me", { headers: { Accept: "application/json" } });
  const me = await answer.json();
  view.texts = me.texts;
  view.language = me.language;
  document.documentElement.lang = me.language;
  fillTexts();
  if (answer.ok) showApp(me);
  else showSignIn();
}

function fill(name, values) {
  return view.texts[name].replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
}

function fillTexts() {
  for (const node of document.querySelectorAll("[data-text]")) {
    node.textContent = view.texts[node.dataset.text];
  }
  for (const node of document.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", view.texts[node.dataset.label]);
  }
  for (const node of document.querySelectorAll("[data-title]")) {
    node.title = view.texts[node.dataset.title];
  }
}

function showSignIn() {
  const problem = view.texts[`sign_in_${document.documentElement.dataset.problem}`];
  find("problem").textContent = problem ?? "";
  find("problem").hidden = !problem;
  find("app").hidden = true;
  find("sign-in").hidden = false;
  find("token").focus();
}

function showApp(me) {
  view.name = me.person.name;
  view.codes = me.codes;
  rooms = me.rooms;
  limits.text = me.limit;
  limits.told = me.too_long;
  find("who").textContent = me.person.name;
  find("role").textContent = view.texts[`role_${me.person.role.toLowerCase()}`];
  find("initial").textContent = initial(me.person.name);
  find("initial").dataset.hue = hue(me.person.name);
  find("words").placeholder = fill("placeholder", { bot: me.bot });
  composer = new Composer(find("composer"), me.commands, say);
  find("earlier").addEventListener("click", showEarlier);
  find("app").hidden = false;
  new Banner(find("expiry"), find("scroll"), me.person.name);
  addEventListener("hashchange", enter);
  enter();
}

function enter() {
  link?.close();
  waiting.clear();
  find("log").replaceChildren();
  find("pending").replaceChildren();
  find("earlier").hidden = true;
  find("empty").hidden = true;
  const wanted = decodeURIComponent(location.hash.slice(1));
  const room = rooms.find((candidate) => candidate.address === wanted) ?? rooms[0];
  drawRooms(room);
  if (!room) {
    find("state").textContent = view.texts.no_rooms;
    return;
  }
  find("room-name").textContent = room.name;
  find("log").setAttribute("aria-label", fill("history", { room: room.name }));
  find("scroll").setAttribute("aria-label", fill("history", { room: room.name }));
  document.title = `${room.name} · ${view.texts.title}`;
  link = new Link(room.address, {
    frame: receive,
    state: showState,
    refused: (reason) => showState("refused", reason),
    signedOut: () => location.assign("/"),
  });
  if (!matchMedia("(pointer: coarse)").matches) composer.focus();
}

function drawRooms(current) {
  const items = rooms.map((room) => {
    const anchor = element("a", "", room.name);
    anchor.href = `#${encodeURIComponent(room.address)}`;
    if (room === current) anchor.setAttribute("aria-current", "page");
    const item = element("li");
    item.append(anchor);
    return item;
  });
  find("rooms").replaceChildren(...items);
}

function showState(state, reason = "") {
  find("state").className = `state ${state}`;
  find("state").textContent = fill(state, { reason });
}

function receive(frame) {
  const does = {
    history: () => showHistory(frame),
    message: () => showMessages([frame]),
    ack: () => answered(frame),
    error: () => failed(frame),
    notice: () => showNotice(frame.text),
  }[frame.type];
  does?.();
}

function showHistory(frame) {
  const log = find("log");
  log.setAttribute("aria-busy", "true");
  // What is older than this page may have changed while we were away: it is asked for again.
  log.replaceChildren();
  showMessages(frame.messages, true);
  find("earlier").hidden = !frame.more;
  find("empty").hidden = frame.messages.length > 0;
  log.removeAttribute("aria-busy");
}

async function showEarlier() {
  const first = find("log").querySelector(".message");
  const query = new URLSearchParams({ room: link.room, before: first.dataset.id });
  const answer = await fetch(`/api/web/history?${query}`);
  if (!answer.ok) return;
  const page = await answer.json();
  const height = find("scroll").scrollHeight;
  showMessages(page.messages, false);
  find("scroll").scrollTop += find("scroll").scrollHeight - height;
  find("earlier").hidden = !page.more;
}

function showMessages(messages, toEnd = null) {
  const scroll = find("scroll");
  const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 120;
  for (const message of messages) place(message);
  arrange(find("log"), view);
  find("empty").hidden = true;
  if (toEnd ?? atEnd) scroll.scrollTop = scroll.scrollHeight;
}

function place(message) {
  const log = find("log");
  const fresh = drawMessage(message, view, press);
  const old = log.querySelector(`[data-id="${CSS.escape(message.message_id)}"]`);
  if (old) {
    const focused = old.contains(document.activeElement);
    old.replaceWith(fresh);
    if (focused) (fresh.querySelector("button") ?? find("words")).focus();
    const title = message.card?.title || message.content;
    find("announce").textContent = fill("updated", { title });
    return;
  }
  const items = Array.from(log.querySelectorAll(".message"));
  const before = items.findLast((item) => Number(item.dataset.seq) < message.seq);
  if (before) before.after(fresh);
  else log.prepend(fresh);
}

function say(text) {
  const item = element("li", "message pending mine");
  item.append(element("span", "avatar"), element("p", "words", text));
  find("pending").append(item);
  find("scroll").scrollTop = find("scroll").scrollHeight;
  if (tooLong(text)) {
    showFailed(item, text, limits.told);
    return;
  }
  const id = link.send({ type: "say", text });
  waiting.set(id, {
    done: () => item.remove(),
    failed: (reason) => showFailed(item, text, reason),
  });
}

// Control characters grow when they are written as JSON, hence the second measure.
function tooLong(text) {
  const bytes = new TextEncoder().encode(JSON.stringify(text)).length;
  return Array.from(text).length > limits.text || bytes > limits.text * 4;
}

function showFailed(item, text, reason) {
  item.classList.add("failed");
  const line = element("p", "problem", `${view.texts.not_sent}. ${reason}`);
  const again = element("button", "button", view.texts.retry);
  again.type = "button";
  again.addEventListener("click", () => {
    item.remove();
    composer.restore(text);
  });
  const box = element("div", "content");
  box.setAttribute("role", "alert");
  box.append(item.querySelector(".words"), line, again);
  item.append(box);
  find("scroll").scrollTop = find("scroll").scrollHeight;
}

async function press(message, button) {
  const asks = asked(message, button);
  const reason = asks ? await askFor(asks, button) : "";
  if (reason === null) return;
  const id = link.send({
    type: "press", message_id: message.message_id, command_code: button.token, reason,
  });
  const item = () => find("log").querySelector(`[data-id="${CSS.escape(message.message_id)}"]`);
  setBusy(item(), true);
  // A second press does no harm, so the buttons come back even when no answer does.
  const release = () => item() && setBusy(item(), false);
  waiting.set(id, {
    done: () => setTimeout(release, 2000),
    failed: (text) => {
      release();
      showNotice(text);
    },
  });
}

// What a press needs besides: a reason, the code of an authenticator, or nothing.
function asked(message, button) {
  if (button.wants_reason) return "reason";
  const level = message.itsm_metadata?.severity;
  return button.may_want_code && view.codes.includes(level) ? "code" : "";
}

function askFor(asks, button) {
  settleReason(null);
  const dialog = find("reason");
  find("reason-title").textContent = fill(`${asks}_title`, { action: button.label });
  find("reason-label").textContent = fill(`${asks}_label`);
  find("reason-send").textContent = button.label;
  find("reason-send").className = `button ${button.style}`;
  const field = find("reason-text");
  field.value = "";
  dialog.returnValue = "";
  dialog.showModal();
  field.focus();
  return new Promise((resolve) => {
    settleReason = resolve;
  });
}

// The browser tells of a closing late: the dialog may be open again, for another button.
find("reason").addEventListener("close", () => {
  const dialog = find("reason");
  if (dialog.open) return;
  settleReason(dialog.returnValue === "send" ? find("reason-text").value.trim() : null);
});
find("reason-cancel").addEventListener("click", () => find("reason").close(""));
find("reason-text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  find("reason").close("send");
});

function answered(frame) {
  waiting.get(frame.id)?.done();
  waiting.delete(frame.id);
}

function failed(frame) {
  const entry = waiting.get(frame.id);
  waiting.delete(frame.id);
  if (entry) entry.failed(frame.text);
  else showNotice(frame.text);
}

function showNotice(text) {
  const item = element("li", "message notice");
  const words = element("p", "words", text);
  words.setAttribute("role", "alert");
  const close = element("button", "quiet", "×");
  close.type = "button";
  close.setAttribute("aria-label", view.texts.close);
  close.addEventListener("click", () => item.remove());
  item.append(words, close);
  find("pending").append(item);
  find("scroll").scrollTop = find("scroll").scrollHeight;
}

start();
