// The socket to one room: it reconnects by itself and sends again what was not acknowledged.

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15000;
const PING_EVERY = 25000;
const PONG_WITHIN = 10000;
// The server said no for good: trying again by ourselves would change nothing.
const FINAL = new Set([4400, 4403, 4404, 4429]);

export class Link {
  // `on`: frame(frame), state("connecting" | "connected" | "offline"), refused(reason), signedOut().
  constructor(room, on) {
    this.room = room;
    this.on = on;
    this.client = crypto.getRandomValues(new Uint32Array(2)).join("-");
    this.unacknowledged = new Map();
    this.wait = FIRST_WAIT;
    this.closed = false;
    this.awake = () => this.retryNow();
    addEventListener("online", this.awake);
    this.connect();
  }

  connect() {
    this.on.state(this.wait === FIRST_WAIT ? "connecting" : "offline");
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const room = encodeURIComponent(this.room);
    const socket = new WebSocket(`${scheme}//${location.host}/ws/chat/${room}/${this.client}/HUMAN`);
    this.socket = socket;
    socket.addEventListener("message", (event) => this.receive(JSON.parse(event.data)));
    socket.addEventListener("close", (event) => {
      if (socket === this.socket) this.lost(event);
    });
  }

  receive(frame) {
    if (frame.type === "pong") {
      clearTimeout(this.deadline);
      return;
    }
    if (frame.type === "history") this.begin();
    if (frame.type === "ack" || frame.type === "error") this.unacknowledged.delete(frame.id);
    this.on.frame(frame);
  }

  begin() {
    this.wait = FIRST_WAIT;
    this.on.state("connected");
    for (const frame of this.unacknowledged.values()) this.socket.send(JSON.stringify(frame));
    clearInterval(this.pinging);
    this.pinging = setInterval(() => this.ping(), PING_EVERY);
  }

  ping() {
    this.socket.send(JSON.stringify({ type: "ping" }));
    clearTimeout(this.deadline);
    // A line that was cut stays "open" for minutes: without a pong we do not believe in it.
    this.deadline = setTimeout(() => this.abandon(), PONG_WITHIN);
  }

  abandon() {
    const dead = this.socket;
    this.socket = null;
    dead.close();
    this.lost({ code: 1006, reason: "" });
  }

  // Sends a frame, now or as soon as there is a connection; gives its id.
  send(frame) {
    const id = newId();
    const whole = { ...frame, id };
    this.unacknowledged.set(id, whole);
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(whole));
    return id;
  }

  lost(event) {
    clearInterval(this.pinging);
    clearTimeout(this.deadline);
    if (this.closed) return;
    if (event.code === 4401) {
      this.close();
      this.on.signedOut();
    } else if (FINAL.has(event.code)) {
      this.close();
      this.on.refused(event.reason);
    } else {
      this.on.state("offline");
      const spread = 0.5 + Math.random();
      this.timer = setTimeout(() => this.connect(), this.wait * spread);
      this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
    }
  }

  retryNow() {
    if (this.closed || this.socket?.readyState === WebSocket.OPEN) return;
    clearTimeout(this.timer);
    this.connect();
  }

  close() {
    this.closed = true;
    removeEventListener("online", this.awake);
    clearTimeout(this.timer);
    clearTimeout(this.deadline);
    clearInterval(this.pinging);
    this.socket?.close();
  }
}

// Random enough to be unique; crypto.randomUUID exists only on https and localhost.
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
