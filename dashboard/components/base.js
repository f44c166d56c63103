// Tells Streamlit where its server is: else it looks below the page's own path first, and fails there.
window.__streamlit = { BACKEND_BASE_URL: `${location.origin}/` };
