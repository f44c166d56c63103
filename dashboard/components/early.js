// Draws the gallery while Streamlit is still starting, over the page; the component takes it from here.
// Where the page has its first tiles in it already, nothing is done before their pictures are there.

import { element } from "./drawing.js";
import * as shared from "./gallery.js";
import { isDark } from "./look.js";
import { offer } from "./tile.js";

const LONGEST_MS = 20_000;
const PICTURES_FIRST_MS = 1500;
const SIGHT_FIRST_MS = 700; // on a slow line the search is there before all pictures are
const style = new URL("./gallery.css", document.currentScript.src);
window.mmsvaultModules = { gallery: shared };

function within(milliseconds, promise) {
  return Promise.race([promise, new Promise((done) => setTimeout(done, milliseconds))]);
}

async function start() {
  const sight = document.querySelector(".mmsvault-early");
  const early = sight || element("div");
  early.className = `mmsvault-early ${isDark() ? "dark" : "light"}`;
  setTimeout(() => early.remove(), LONGEST_MS);
  const ready = sight ? await styled(sight) : style;
  const gallery = shared.theGallery(ready);
  if (gallery.host.isConnected) early.remove(); // the component was faster
  else {
    early.replaceChildren(gallery.host);
    early.removeAttribute("aria-hidden");
    document.documentElement.append(early); // the body may still be on its way
  }
  return gallery;
}

// Return the style, once what is seen can be exchanged within one frame: its pictures are taken over.
async function styled(sight) {
  const pictures = [...sight.querySelectorAll("img")];
  const seen = Promise.all(pictures.map((one) => one.complete || new Promise((done) => (one.onload = one.onerror = done))));
  const [answer] = await Promise.all([fetch(style), within(SIGHT_FIRST_MS, seen)]);
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(await answer.text());
  offer(pictures);
  return sheet;
}

// Streamlit's program would keep the browser busy while the first pictures could be seen.
async function picturesSeen(gallery) {
  await gallery.ready;
  const pictures = [...gallery.shadow.querySelectorAll("img")];
  await Promise.allSettled(pictures.map((picture) => picture.decode()));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
}

start().then((gallery) => within(PICTURES_FIRST_MS, picturesSeen(gallery)).then(window.mmsvaultStart));
