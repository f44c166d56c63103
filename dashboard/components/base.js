// Tells Streamlit where its server is: else it looks below the page's own path first, and fails there.
window.__streamlit = { BACKEND_BASE_URL: `${location.origin}/` };

// Starts Streamlit where the page has it wait for the first pictures (see `early`), once.
window.mmsvaultStart = () => {
  const waiting = document.getElementById("mmsvault-start");
  if (!waiting) return;
  waiting.remove();
  document.head.append(waiting.content);
};
setTimeout(window.mmsvaultStart, 3000); // whatever becomes of the pictures
