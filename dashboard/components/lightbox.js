// The lightbox: one file large, over the page. A native dialog, so focus and Esc are the browser's.

import { ask } from "./asking.js";
import { button, element, icon, momentOf, ownLink } from "./drawing.js";
import { drawCards, drawFacts, drawImage, drawPages, drawPlayer, drawText } from "./facts.js";
import { nameOf, whoOf } from "./tile.js";
import { Zooming } from "./zooming.js";

const KEPT = 50;
const SEEN_AT_ONCE = ["image", "video", "audio", "pages"];
/* What is shown without asking for more about the message. */

export class Lightbox {
  // `tiles` gives all tiles as they are now, `pages` loads those that follow.
  constructor({ tiles, pages, onshow, onclose }) {
    Object.assign(this, { tiles, pages, onshow, onclose });
    this.node = element("dialog", "lightbox");
    this.node.tabIndex = -1;
    this.told = new Map();
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
    this.zooming = new Zooming(this.stage, {
      onturn: (step) => this.turn(step),
      onclose: () => this.node.close(),
      onchange: () => this.showZoom(),
    });
  }

  drawBar() {
    this.bar = element("div", "top");
    this.smaller = button("", "Smaller (-)", { icon: "smaller", onclick: () => this.zooming.smaller() });
    this.larger = button("", "Larger (+)", { icon: "larger", onclick: () => this.zooming.larger() });
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
    const known = [tile.name && tile.sender, momentOf(tile.at), tile.keyword, tile.part && `file ${tile.part.replace("/", " of ")}`];
    this.title.replaceChildren(element("b", "", whoOf(tile)), element("span", "", known.filter(Boolean).join(" · ")));
    this.before.disabled = at <= 0;
    this.after.disabled = at + 1 >= this.tiles().length && !this.pages.hasMore;
    this.keepKeys();
  }

  // A button that was pressed and is off now would swallow the keys.
  keepKeys() {
    if (this.node.getRootNode().activeElement?.disabled) this.node.focus();
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
    if (this.told.size > KEPT) this.told.delete(this.told.keys().next().value);
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
    if (part && this.drawnKey === tile.key && SEEN_AT_ONCE.includes(tile.show)) {
      if (tile.show === "pages") this.drawBelow(part);
      return; // as it is
    }
    this.drawnKey = tile.key;
    this.stage.replaceChildren(...this.drawShown(tile, part));
    this.stage.dataset.show = tile.show || "none";
    this.zooming.hold({ picture: this.stage.querySelector("img.whole"), pages: this.stage.querySelector(".pages") });
  }

  drawShown(tile, part) {
    const name = nameOf(tile);
    if (tile.show === "image") return this.drawPicture(tile, name);
    if (tile.show === "pages") return [drawPages(tile.full, name)];
    if (tile.show === "video" || tile.show === "audio") return [drawPlayer(tile.show, tile.full, tile.src, name)];
    if (part?.show === "text") return [drawText(part.text, name)];
    if (part?.show === "card") return [drawCards(part.cards)];
    if (tile.show === "still") return this.drawStill(tile, part, name);
    return [this.drawFace(tile, part)];
  }

  showZoom() {
    if (!this.zooming) return;
    this.smaller.hidden = this.larger.hidden = !this.zooming.canZoom;
    this.smaller.disabled = this.zooming.isSmallest;
    this.larger.disabled = this.zooming.isLargest;
    this.keepKeys();
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
    if (part?.words) read.append(this.drawWords(part));
    else read.append(element("p", "said", part?.note || ""));
    return [read];
  }

  drawBelow(part) {
    const pages = this.stage.querySelector(".pages");
    if (part.note) pages.append(element("p", "said", part.note));
    if (part.words) pages.append(this.drawWords(part));
  }

  // The words of a document, to hear and to copy.
  drawWords(part) {
    return drawText(part.words, `Words of ${nameOf(this.tile)}`);
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
    if (!next && step > 0 && this.pages.hasMore) {
      await this.pages.more();
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
    if (at > this.tiles().length - 12) this.pages.more();
  }

  typed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const plays = event.target.closest?.("video, audio");
    const reads = event.target.closest?.("pre, .panel");
    const act = {
      ArrowLeft: () => !plays && this.turn(-1),
      ArrowRight: () => !plays && this.turn(1),
      ArrowUp: () => this.scroll(event, -80),
      ArrowDown: () => this.scroll(event, 80),
      i: () => this.showPanel(this.panel.hidden),
      "+": () => this.zooming.larger(),
      "=": () => this.zooming.larger(),
      "-": () => this.zooming.smaller(),
      0: () => this.zooming.zoom(1),
    }[event.key];
    event.stopPropagation();
    if (!act || (reads && event.key.startsWith("Arrow") && !this.zooming.isSmallest)) return;
    if (act() !== false) event.preventDefault();
  }

  // What is long can be read with the arrows wherever the focus is; where it scrolls by itself, it does.
  scroll(event, top) {
    const long = this.stage.querySelector(":scope > :is(.pages, pre, .cards)");
    if (!long || event.target !== this.node) return false;
    long.scrollBy({ top });
    return true;
  }

  closed() {
    this.stage.replaceChildren(); // what plays stops
    this.drawnKey = null;
    this.zooming.let();
    this.onclose(this.key);
  }
}
