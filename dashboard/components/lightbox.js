// The lightbox: one file large, over the page. A native dialog, so focus and Esc are the browser's.

import { ask } from "./asking.js";
import { button, element, icon, momentOf, ownLink } from "./drawing.js";
import { drawCards, drawFacts, drawImage, drawPlayer, drawText } from "./facts.js";
import { nameOf } from "./grid.js";

const LARGEST = 8;
const STEP = 1.6;
const SWIPED = 60;

export class Lightbox {
  // `tiles` gives all tiles as they are now, `more` loads those that follow.
  constructor({ tiles, more, total, onshow, onclose, toMessage }) {
    Object.assign(this, { tiles, more, total, onshow, onclose, toMessage });
    this.node = element("dialog", "lightbox");
    this.node.tabIndex = -1;
    this.told = new Map();
    this.pointers = new Map();
    this.key = null;
    this.title = element("div", "title");
    this.title.setAttribute("role", "status");
    this.stage = element("div", "stage");
    this.caption = element("p", "caption");
    this.panel = element("aside", "panel");
    this.panel.hidden = true;
    this.panel.tabIndex = 0;
    this.panel.setAttribute("aria-label", "Facts");
    this.drawBar();
    const frame = element("div", "frame");
    this.before = button("turn before", "Previous", { icon: "left", onclick: () => this.turn(-1) });
    this.after = button("turn after", "Next", { icon: "right", onclick: () => this.turn(1) });
    frame.append(this.stage, this.before, this.after);
    this.node.append(this.bar, frame, this.caption, this.panel);
    this.node.addEventListener("keydown", (event) => this.typed(event));
    this.node.addEventListener("close", () => this.closed());
    this.watchPointers();
  }

  drawBar() {
    this.bar = element("div", "top");
    this.smaller = button("", "Smaller (-)", { icon: "smaller", onclick: () => this.zoom(this.scale / STEP) });
    this.larger = button("", "Larger (+)", { icon: "larger", onclick: () => this.zoom(this.scale * STEP) });
    this.facts = button("", "Facts (i)", { icon: "info", onclick: () => this.showPanel(this.panel.hidden) });
    this.facts.setAttribute("aria-expanded", "false");
    this.download = element("a", "");
    this.download.append(icon("download"));
    this.download.setAttribute("aria-label", "Download the original");
    this.download.title = "Download the original";
    this.message = element("a", "");
    this.message.append(icon("open"));
    this.message.setAttribute("aria-label", "Open the message's page");
    this.message.title = "Open the message's page";
    const close = button("shut", "Close (Esc)", { icon: "close", onclick: () => this.node.close() });
    this.bar.append(this.title, this.smaller, this.larger, this.facts, this.download, this.message, close);
  }

  get isOpen() {
    return this.node.open;
  }

  get index() {
    return this.tiles().findIndex((tile) => tile.key === this.key);
  }

  show(tile) {
    this.key = tile.key;
    this.tile = tile;
    this.node.setAttribute("aria-label", nameOf(tile));
    this.drawTitle();
    this.caption.textContent = tile.caption;
    this.message.href = ownLink(tile.href);
    this.download.hidden = true;
    this.drawStage(null);
    this.drawPanel(null);
    if (!this.node.open) {
      this.node.showModal();
      this.node.focus(); // no button is the likeliest
    }
    this.onshow(tile);
    this.learn(tile);
    this.lookAhead();
  }

  drawTitle() {
    const tile = this.tile;
    const at = this.index;
    const total = this.total();
    this.title.replaceChildren(
      element("b", "", tile.sender || "Unknown sender"),
      element("span", "", [momentOf(tile.at), tile.keyword, tile.part && `file ${tile.part.replace("/", " of ")}`].filter(Boolean).join(" · ")),
    );
    this.before.disabled = at <= 0;
    this.after.disabled = at + 1 >= this.tiles().length && !total.more;
  }

  // The facts, the text and the cards are asked for when somebody looks, and noted then.
  async learn(tile) {
    let told = this.told.get(tile.message);
    try {
      if (!told) told = await ask("message", { id: tile.message });
    } catch (error) {
      if (this.key === tile.key) this.drawPanel(null, error.message);
      return;
    }
    this.told.set(tile.message, told);
    if (this.told.size > 50) this.told.delete(this.told.keys().next().value);
    if (this.key !== tile.key || !this.node.open) return;
    const position = Number(tile.key.split("/").pop());
    const part = told.parts.find((one) => one.position === position) || null;
    this.drawStage(part);
    this.drawPanel({ told, part });
    this.download.hidden = !part?.download;
    if (part?.download) {
      this.download.href = ownLink(part.download);
      this.download.download = part.file_name;
    }
  }

  drawStage(part) {
    const tile = this.tile;
    if (part && this.drawnKey === tile.key && ["image", "video", "audio"].includes(tile.show)) return; // as it is
    this.drawnKey = tile.key;
    this.reset();
    const shown = this.drawShown(tile, part);
    this.stage.replaceChildren(...shown);
    this.stage.dataset.show = tile.show || "none";
    const zooms = tile.show === "image" || tile.show === "still";
    this.smaller.hidden = this.larger.hidden = !zooms;
    this.picture = zooms ? this.stage.querySelector("img.whole") : null;
    this.apply();
  }

  drawShown(tile, part) {
    const name = nameOf(tile);
    if (tile.show === "image") return this.drawPicture(tile, name);
    if (tile.show === "video" || tile.show === "audio") return [drawPlayer(tile.show, tile.full, tile.src, name)];
    if (part?.show === "text") return [drawText(part.text, name)];
    if (part?.show === "card") return [drawCards(part.cards)];
    if (tile.show === "still") return this.drawStill(tile, part, name);
    return [this.drawFace(tile, part)];
  }

  // The thumbnail is here already; the whole picture takes its place once it has come.
  drawPicture(tile, name) {
    const whole = drawImage(tile.full, name);
    whole.className = "whole";
    whole.draggable = false;
    const shown = [whole];
    if (tile.src) {
      const preview = drawImage(tile.src, "");
      preview.className = "before";
      shown.unshift(preview);
      whole.addEventListener("load", () => preview.remove(), { once: true });
    }
    whole.addEventListener("error", () => whole.replaceWith(element("p", "said", "This picture cannot be shown just now.")));
    return shown;
  }

  drawStill(tile, part, name) {
    const still = drawImage(tile.full, name);
    still.className = "whole still";
    still.draggable = false;
    if (tile.kind !== "document") return [still, element("p", "said", part?.note || "")];
    const read = element("div", "document");
    read.append(still);
    if (part?.words) read.append(drawText(part.words, `Words of ${name}`));
    else read.append(element("p", "said", part?.note || ""));
    return [read];
  }

  drawFace(tile, part) {
    const face = element("div", "said");
    face.append(icon(tile.kind), element("b", "", tile.title));
    face.append(element("p", "", part?.note || tile.text));
    return face;
  }

  drawPanel(found, problem = "") {
    if (!found) {
      this.panel.replaceChildren(element("p", "", problem || "…"));
      return;
    }
    const { told, part } = found;
    const page = element("a", "", "Open the message's page");
    page.href = ownLink(this.tile.href);
    this.panel.replaceChildren(
      element("h2", "", "Message"),
      drawFacts(told.heading),
      page,
      ...(told.note ? [element("h2", "", "Note"), element("p", "noted", told.note)] : []),
      ...(part ? [element("h2", "", part.title), drawFacts(part.facts)] : []),
      element("h2", "", "More"),
      drawFacts(told.details),
    );
    this.panel.scrollTop = 0;
  }

  showPanel(shown) {
    this.panel.hidden = !shown;
    this.facts.setAttribute("aria-expanded", String(shown));
    this.node.classList.toggle("told", shown);
  }

  async turn(step) {
    const from = this.index;
    let next = this.tiles()[from + step];
    if (!next && step > 0 && this.total().more) {
      await this.more();
      next = this.tiles()[from + step];
    }
    if (next && this.node.open) this.show(next);
  }

  // The pictures on both sides are fetched before somebody turns to them.
  lookAhead() {
    const at = this.index;
    for (const step of [1, -1, 2]) {
      const tile = this.tiles()[at + step];
      if (tile?.show === "image" && ownLink(tile.full)) new Image().src = ownLink(tile.full);
    }
    if (at > this.tiles().length - 12 && this.total().more) this.more();
  }

  typed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const plays = event.target.closest?.("video, audio");
    const reads = event.target.closest?.("pre, .panel");
    const act = {
      ArrowLeft: () => !plays && this.turn(-1),
      ArrowRight: () => !plays && this.turn(1),
      i: () => this.showPanel(this.panel.hidden),
      "+": () => this.zoom(this.scale * STEP),
      "=": () => this.zoom(this.scale * STEP),
      "-": () => this.zoom(this.scale / STEP),
      0: () => this.zoom(1),
    }[event.key];
    event.stopPropagation();
    if (!act || (reads && event.key.startsWith("Arrow") && this.scale !== 1)) return;
    if (act() !== false) event.preventDefault();
  }

  reset() {
    this.scale = 1;
    this.x = 0;
    this.y = 0;
  }

  zoom(scale, at = null) {
    if (!this.picture) return;
    const next = Math.min(LARGEST, Math.max(1, scale));
    const box = this.stage.getBoundingClientRect();
    const [px, py] = at ? [at[0] - box.left - box.width / 2, at[1] - box.top - box.height / 2] : [0, 0];
    this.x = px - ((px - this.x) * next) / this.scale;
    this.y = py - ((py - this.y) * next) / this.scale;
    this.scale = next;
    this.apply();
  }

  apply() {
    if (!this.picture) return;
    const box = this.stage.getBoundingClientRect();
    const room = (size, whole) => Math.max(0, (size * this.scale - whole) / 2);
    const [w, h] = [this.picture.offsetWidth, this.picture.offsetHeight];
    this.x = Math.min(room(w, box.width), Math.max(-room(w, box.width), this.x));
    this.y = Math.min(room(h, box.height), Math.max(-room(h, box.height), this.y));
    this.picture.style.transform = this.scale === 1 ? "" : `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    this.stage.classList.toggle("zoomed", this.scale > 1);
    this.smaller.disabled = this.scale <= 1;
    this.larger.disabled = this.scale >= LARGEST;
  }

  watchPointers() {
    const stage = this.stage;
    stage.addEventListener("wheel", (event) => {
      if (!this.picture || (event.target.closest("pre") && !event.ctrlKey)) return;
      event.preventDefault();
      this.zoom(this.scale * Math.exp(-event.deltaY / 300), [event.clientX, event.clientY]);
    }, { passive: false });
    stage.addEventListener("dragstart", (event) => event.preventDefault()); // a drag is a swipe here
    stage.addEventListener("dblclick", (event) => this.zoom(this.scale > 1 ? 1 : 2.5, [event.clientX, event.clientY]));
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.moved(event));
    for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, (event) => this.up(event));
  }

  down(event) {
    if (event.target.closest("video, audio, pre, a, .cards")) return;
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (this.pointers.size === 1) this.start = [event.clientX, event.clientY];
    else this.start = null; // two fingers do not swipe
    this.stage.setPointerCapture(event.pointerId);
  }

  moved(event) {
    const last = this.pointers.get(event.pointerId);
    if (!last) return;
    const now = [event.clientX, event.clientY];
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const spread = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
      this.zoom((this.scale * spread(now)) / spread(last), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
    } else if (this.scale > 1) {
      this.x += now[0] - last[0];
      this.y += now[1] - last[1];
      this.apply();
    }
    this.pointers.set(event.pointerId, now);
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId) || !this.start || this.scale > 1) return;
    const [dx, dy] = [event.clientX - this.start[0], event.clientY - this.start[1]];
    this.start = null;
    if (event.type === "pointercancel") return;
    if (Math.abs(dx) > SWIPED && Math.abs(dx) > 1.5 * Math.abs(dy)) this.turn(dx < 0 ? 1 : -1);
    else if (dy > 2 * SWIPED && event.pointerType !== "mouse") this.node.close();
  }

  closed() {
    this.stage.replaceChildren(); // what plays stops
    this.drawnKey = null;
    this.pointers.clear();
    this.onclose(this.key);
  }
}
