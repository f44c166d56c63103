// Pages of tiles as the server has them: the first one, those that follow as one scrolls, and what has
// come in since. It draws nothing; whoever made it is told.

import { ask } from "./asking.js";
import { whenSeen } from "./drawing.js";

const A_PAGE = 60;
const MOST_AT_ONCE = 600;
const MOST_WAITING = 60;
const MOST_DAYS = 30;
const AHEAD_AFTER_MS = 800; // the pictures that are looked at come first

export class Pages {
  // `asked` gives what is asked for now; `onbegin` takes a first page, `onmore` the tiles that follow.
  // `ontotal` is told when a total is known that took time to count.
  constructor({ asked, onbegin, onmore, ontotal, onfail, onbusy }) {
    Object.assign(this, { asked, onbegin, onmore, ontotal, onfail, onbusy });
    this.turn = 0;
    this.empty();
  }

  empty() {
    this.next = null;
    this.newest = "";
    this.total = { messages: 0, is_exact: true }; // null until it is known
    this.loaded = 0; // messages
  }

  get hasMore() {
    return Boolean(this.next);
  }

  // Load the first page, or as many messages at once as were seen before.
  async load({ first = null, upTo = 0 } = {}) {
    const turn = ++this.turn;
    this.loading?.abort();
    this.loading = new AbortController();
    this.onbusy(true);
    try {
      const limit = upTo > A_PAGE ? { limit: Math.min(upTo, MOST_AT_ONCE) } : {};
      const page = first && !limit.limit ? first : await ask("gallery", { ...this.asked(), ...limit }, this.loading.signal);
      if (turn === this.turn) this.begin(page);
    } catch (error) {
      if (error.name !== "AbortError" && turn === this.turn) this.onfail(error);
    } finally {
      if (turn === this.turn) this.onbusy(false);
    }
  }

  begin(page) {
    Object.assign(this, { next: page.next, newest: page.newest, loaded: page.messages, ahead: null, fetching: null });
    this.total = page.total;
    this.onbegin(page);
    const turn = this.turn;
    whenSeen(() => this.count(turn));
    this.fetchAhead();
  }

  // What is found is seen before it is counted.
  async count(turn) {
    if (turn !== this.turn) return;
    const total = await ask("total", this.asked(), this.loading.signal).catch(() => null);
    if (turn !== this.turn || !total) return;
    this.total = total;
    this.ontotal(total);
  }

  // Ask how much of what is found came in on each of these days.
  async days(days, tell) {
    const turn = this.turn;
    for (let at = 0; at < days.length; at += MOST_DAYS) {
      const told = await ask("days", { ...this.asked(), days: days.slice(at, at + MOST_DAYS).join(",") }).catch(() => null);
      if (turn !== this.turn || !told) return;
      tell(told.days);
    }
  }

  // The page after the last one is on its way before anybody scrolls there.
  fetchAhead() {
    if (!this.next || this.ahead) return;
    const after = this.next;
    const go = () => {
      if (this.next === after && !this.ahead) this.ahead = { after, page: ask("gallery", { ...this.asked(), after }).catch(() => null) };
    };
    setTimeout(go, AHEAD_AFTER_MS);
  }

  // Load the next page. Two who ask at once wait for the same one.
  more() {
    if (!this.next) return Promise.resolve();
    this.fetching ||= this.follow(this.next, this.turn).finally(() => {
      this.fetching = null;
    });
    return this.fetching;
  }

  async follow(after, turn) {
    try {
      const ahead = this.ahead?.after === after ? await this.ahead.page : null;
      const page = ahead || (await ask("gallery", { ...this.asked(), after }));
      if (turn !== this.turn || this.next !== after) return;
      this.next = page.next;
      this.loaded += page.messages;
      this.ahead = null;
      this.onmore(page.tiles);
      this.fetchAhead();
    } catch (error) {
      if (turn === this.turn) this.onfail(error);
    }
  }

  // Ask how many have come in, and what became of those that wait; nothing where something else is asked by then.
  async news(waiting) {
    const turn = this.turn;
    const told = await ask("news", { ...this.asked(), than: this.newest, waiting: [...waiting].slice(0, MOST_WAITING).join(",") });
    return turn === this.turn ? told : null;
  }

  // Ask for one file, which need not be among those that are loaded.
  async find(key) {
    const told = await ask("news", { than: this.newest, waiting: key.slice(0, key.lastIndexOf("/")) });
    return told.tiles.find((one) => one.key === key) || null;
  }
}
