// Messages as elements. Everything shown is set as text, never as markup.

export function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// One message. `view`: {texts, language, name}; `press(message, button)` is called for a button.
export function drawMessage(message, view, press) {
  const item = element("li", "message");
  item.dataset.id = message.message_id;
  item.dataset.seq = message.seq;
  item.dataset.sender = message.sender;
  item.dataset.at = message.timestamp;
  item.classList.add(message.sender_type.toLowerCase());
  if (message.sender_type === "HUMAN" && message.sender === view.name) item.classList.add("mine");
  if (message.is_widget) item.classList.add("widget");
  if (message.private) item.classList.add("private");
  item.append(avatar(message), content(message, view, press));
  return item;
}

function avatar(message) {
  if (message.sender_type === "BOT") {
    const logo = element("img", "avatar");
    logo.src = "/static/logo.svg";
    logo.alt = "";
    return logo;
  }
  const face = element("span", "avatar", initial(message.sender));
  face.setAttribute("aria-hidden", "true");
  face.dataset.hue = hue(message.sender);
  return face;
}

function content(message, view, press) {
  const box = element("div", "content");
  box.append(byline(message, view));
  const card = message.card;
  if (card && message.is_widget) {
    box.append(drawCard(message, card, view, press));
  } else {
    const words = card ? card.text : message.content;
    const target = message.target ? `@${message.target} ` : "";
    box.append(element("p", `words ${card ? card.tone : ""}`, target + words));
    if (card?.note) box.append(element("p", "note", card.note));
  }
  return box;
}

function byline(message, view) {
  const line = element("p", "byline");
  line.append(element("strong", "", message.sender));
  const badge = { BOT: view.texts.bot, AGENT: view.texts.agent }[message.sender_type];
  if (badge) line.append(element("span", "badge", badge));
  const moment = new Date(message.timestamp);
  const time = element("time", "", clock(moment, view.language));
  time.dateTime = message.timestamp;
  time.title = moment.toLocaleString(view.language, { dateStyle: "full", timeStyle: "long" });
  line.append(time);
  if (message.private) line.append(element("span", "only-you", view.texts.only_you));
  return line;
}

function drawCard(message, card, view, press) {
  const box = element("section", `card ${card.tone}`);
  if (card.title) {
    const title = element("h3", "", card.title);
    title.id = `title-${message.message_id}`;
    box.setAttribute("aria-labelledby", title.id);
    box.append(title);
  }
  if (card.text) box.append(element("p", "words", card.text));
  if (card.fields.length) box.append(drawFields(card.fields));
  if (card.code) {
    const code = element("pre");
    code.tabIndex = 0; // it may scroll, and so has to be reached by keyboard
    code.append(element("code", "", card.code));
    box.append(code);
  }
  if (card.note) box.append(element("p", "note", card.note));
  if (card.buttons.length) box.append(drawButtons(message, card, view, press));
  return box;
}

function drawFields(fields) {
  const list = element("dl");
  for (const field of fields) {
    const pair = element("div");
    pair.append(element("dt", "", field.label), element("dd", "", field.value));
    list.append(pair);
  }
  return list;
}

function drawButtons(message, card, view, press) {
  const row = element("div", "choices");
  for (const button of card.buttons) {
    const node = element("button", `button ${button.style}`, button.label);
    node.type = "button";
    node.addEventListener("click", () => press(message, button));
    row.append(node);
  }
  const waiting = element("span", "waiting-note", view.texts.pressed);
  waiting.hidden = true;
  row.append(waiting);
  return row;
}

// Greys a card's buttons while a press is on its way.
export function setBusy(item, busy) {
  for (const node of item.querySelectorAll(".choices .button")) node.disabled = busy;
  const waiting = item.querySelector(".waiting-note");
  if (waiting) waiting.hidden = !busy;
}

// Day headings, and who speaks on without a new byline.
export function arrange(log, view) {
  for (const old of log.querySelectorAll(".day")) old.remove();
  let before = null;
  for (const item of log.querySelectorAll(".message")) {
    const at = new Date(item.dataset.at);
    const newDay = !before || new Date(before.dataset.at).toDateString() !== at.toDateString();
    if (newDay) item.before(element("li", "day", dayName(at, view)));
    const soon = before && at - new Date(before.dataset.at) < 5 * 60 * 1000;
    const goesOn =
      !newDay && soon && !item.classList.contains("widget") &&
      before.dataset.sender === item.dataset.sender &&
      before.classList.contains("private") === item.classList.contains("private");
    item.classList.toggle("goes-on", goesOn);
    before = item;
  }
}

export function initial(name) {
  return Array.from(name.trim())[0]?.toUpperCase() ?? "?";
}

export function hue(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 6;
  return String(sum);
}

function clock(moment, language) {
  return moment.toLocaleTimeString(language, { hour: "numeric", minute: "2-digit" });
}

function dayName(moment, view) {
  const today = new Date();
  const yesterday = new Date(today);
  yesterday.setDate(today.getDate() - 1);
  if (moment.toDateString() === today.toDateString()) return view.texts.today;
  if (moment.toDateString() === yesterday.toDateString()) return view.texts.yesterday;
  const sameYear = moment.getFullYear() === today.getFullYear();
  return moment.toLocaleDateString(view.language, {
    weekday: "long", month: "long", day: "numeric", year: sameYear ? undefined : "numeric",
  });
}
