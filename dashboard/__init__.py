"""The gallery: what the archive holds, looked at in a browser.

Reading order: `main` starts the server; `reading_room` is what pages and routes work with; `visiting` knows
who looks, `gate` and `login` let them in; `links` and `media_route` bring files to the browser; `headers`
guards every answer; `front` is Streamlit's page under our addresses, with the first tiles in it; `script`
is what Streamlit runs, with the pages `gallery` and `message_page`; `tiles`, `record`, `callers` and
`wording` turn messages into what `components` draw, and `locally` writes times and numbers as the viewer's
browser does. `searched` is what stands under a search, `raw` shows raw bodies, `retrying` is the button
that fetches again. `tallies_page` lists senders and keywords, which `drawn` draws and `lists_route` hands
out as CSV; `searches_page` keeps searches; `operations_page` and `quarantine_page` are for who keeps the
vault running, `settings_page`, with `people_section`, for admins, and `alerts` says on every page what is
wrong. What people do (`deeds`) is done by the vault's own functions, and noted in the trail.
"""
