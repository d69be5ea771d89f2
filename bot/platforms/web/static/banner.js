// The bar that says what ends soon. Who closes it has rest until the next day.

import { element } from "/static/draw.js";

const EVERY = 30 * 60 * 1000;

export class Banner {
  // `bar`: the element, with a title, a list and a button; `scroll`: the conversation below it;
  // `name`: whose rest it is.
  constructor(bar, scroll, name) {
    this.bar = bar;
    this.scroll = scroll;
    this.kept = `expiry-closed:${name}`;
    this.day = "";
    bar.querySelector("button").addEventListener("click", () => this.close());
    this.look();
    setInterval(() => this.look(), EVERY);
  }

  async look() {
    let found;
    try {
      const answer = await fetch("/api/web/expiry", { headers: { Accept: "application/json" } });
      if (!answer.ok) return;
      found = await answer.json();
    } catch {
      return; // the line is down: the next look will tell
    }
    this.day = found.day;
    this.bar.querySelector(".title").textContent = found.title;
    this.bar.querySelector("ul").replaceChildren(
      ...found.lines.map((line) => element("li", "", line)),
    );
    this.bar.classList.toggle("ended", found.ended);
    this.show(found.lines.length > 0 && this.closed() !== found.day);
  }

  // The bar takes room from the conversation: who read its end goes on reading its end.
  show(wanted) {
    const scroll = this.scroll;
    const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 120;
    this.bar.hidden = !wanted;
    if (atEnd) scroll.scrollTop = scroll.scrollHeight;
  }

  // A browser that keeps nothing shows the bar again after the next load.
  closed() {
    try {
      return localStorage.getItem(this.kept);
    } catch {
      return null;
    }
  }

  close() {
    this.show(false);
    try {
      localStorage.setItem(this.kept, this.day);
    } catch {
      // Nothing is kept here; closed for now is all there is.
    }
  }
}
