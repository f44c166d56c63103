"""The gallery: what the archive holds, looked at in a browser.

Reading order: `main` starts the server; `reading_room` is what pages and routes work with; `visiting`
knows who looks, `gate` and `login` let them in; `links`
and `media_route` bring files to the browser; `headers` guards every answer; `script` is what
Streamlit runs, with the pages `gallery` and `message_page`; `tiles`, `record` and `wording` turn
messages into what `components` draw. It reads the catalog and the bucket, and writes
of the catalog only who looks at what.
"""
