// The line to write in: Enter sends, and a leading "/" offers the commands.

import { element } from "/static/draw.js";

const TALLEST = 180;

export class Composer {
  // `commands`: [{name, summary}]; `say(text)` takes what was written.
  constructor(form, commands, say) {
    this.words = form.querySelector("textarea");
    this.list = form.querySelector("[role=listbox]");
    this.commands = commands;
    this.say = say;
    this.chosen = -1;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.words.addEventListener("input", () => this.changed());
    this.words.addEventListener("keydown", (event) => this.key(event));
    this.words.addEventListener("blur", () => this.hide());
  }

  focus() {
    this.words.focus();
  }

  // Puts words back that could not be sent, unless something new is being written.
  restore(text) {
    if (this.words.value) return;
    this.words.value = text;
    this.changed();
    this.focus();
  }

  send() {
    const text = this.words.value.trim();
    if (!text) return;
    this.words.value = "";
    this.changed();
    this.say(text);
  }

  changed() {
    this.words.style.height = "auto";
    this.words.style.height = `${Math.min(this.words.scrollHeight, TALLEST)}px`;
    const typed = this.words.value;
    const matches = /^\/\S*$/.test(typed)
      ? this.commands.filter((command) => `/${command.name}`.startsWith(typed.toLowerCase()))
      : [];
    if (matches.length) this.offer(matches);
    else this.hide();
  }

  offer(matches) {
    this.list.replaceChildren(...matches.map((command, place) => this.option(command, place)));
    this.list.hidden = false;
    this.words.setAttribute("aria-expanded", "true");
    this.choose(0);
  }

  option(command, place) {
    const item = element("li");
    item.id = `command-${place}`;
    item.setAttribute("role", "option");
    item.dataset.name = command.name;
    item.append(element("strong", "", `/${command.name}`), element("span", "", command.summary));
    // mousedown, because a click would come after the blur that hides the list
    item.addEventListener("mousedown", (event) => {
      event.preventDefault();
      this.choose(place);
      this.accept();
    });
    return item;
  }

  choose(place) {
    const items = this.list.children;
    this.chosen = (place + items.length) % items.length;
    for (const [index, item] of Array.from(items).entries()) {
      item.setAttribute("aria-selected", String(index === this.chosen));
    }
    this.words.setAttribute("aria-activedescendant", items[this.chosen].id);
    items[this.chosen].scrollIntoView({ block: "nearest" });
  }

  accept() {
    this.words.value = `/${this.list.children[this.chosen].dataset.name} `;
    this.changed();
    this.focus();
  }

  hide() {
    this.list.hidden = true;
    this.words.setAttribute("aria-expanded", "false");
    this.words.removeAttribute("aria-activedescendant");
  }

  key(event) {
    // While a Korean or Chinese syllable is being put together, Enter belongs to the input method.
    if (event.isComposing || event.keyCode === 229) return;
    if (!this.list.hidden && this.keyInList(event)) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.send();
    }
  }

  keyInList(event) {
    const whole = this.words.value.toLowerCase() === `/${this.list.children[this.chosen].dataset.name}`;
    if (event.key === "Enter" && whole) return false;
    const does = {
      ArrowDown: () => this.choose(this.chosen + 1),
      ArrowUp: () => this.choose(this.chosen - 1),
      Enter: () => this.accept(),
      Tab: () => this.accept(),
      Escape: () => this.hide(),
    }[event.key];
    if (!does || event.shiftKey) return false;
    event.preventDefault();
    does();
    return true;
  }
}
