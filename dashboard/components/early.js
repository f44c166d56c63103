// Draws the gallery while Streamlit is still starting, over the page; the component takes it from here.

import { element } from "./drawing.js";
import * as shared from "./gallery.js";

const LONGEST_MS = 20_000;
const PICTURES_FIRST_MS = 1500;

function isDark() {
  const kept = Object.keys(localStorage).find((name) => name.startsWith("stActiveTheme"));
  const chosen = kept ? localStorage.getItem(kept) : "";
  if (/"Dark"/i.test(chosen)) return true;
  if (/"Light"/i.test(chosen)) return false;
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

const early = element("div", `mmsvault-early ${isDark() ? "dark" : "light"}`);
const gallery = shared.theGallery(new URL("./gallery.css", document.currentScript.src));
window.mmsvaultModules = { gallery: shared };
early.append(gallery.host);
document.documentElement.append(early); // the body may still be on its way
setTimeout(() => early.remove(), LONGEST_MS);

// Streamlit's program would keep the browser busy while the first pictures could be seen.
async function picturesSeen() {
  await gallery.ready;
  const pictures = [...gallery.shadow.querySelectorAll("img")];
  await Promise.allSettled(pictures.map((picture) => picture.decode()));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
}

Promise.race([picturesSeen(), new Promise((done) => setTimeout(done, PICTURES_FIRST_MS))]).then(window.mmsvaultStart);
