"""MMS Vault: received picture messages, fetched in time and kept for good.

Reading order, which is also the order of import (a module imports only what stands above it):

    settings    what an operator may set, and what was generated at the first start
    core        what a server says, in words; whether a process gets further; its streams
    errors      grouped by what the caller does next
    terminal    what strangers wrote, made harmless for terminals
    seals       secrets that must be kept and read again
    clients     the address of who asks, through trusted proxies
    http_limits connections to the servers, with limits
    steps       how long each step takes, and its trace
    message     Receipt, Message, MediaItem: what is handed from part to part
    postbacks   a provider's notice -> Message; one file for each provider
    queueing    Redis: keeping receipts, the job class, the worker class
    layout      where everything is in the bucket: the keys
    bucket      what is kept, put there and got back: the archive itself
    s3          the bucket on an S3 server: its errors in plain words, Object Lock
    folder      the bucket as files of this machine
    catalog     the index over it: tables, writes, queries, search language
    fetching    guarded, bounded, hashed download
    media       what a file is and its thumbnail, found out in a sandbox
    vault       all of the above, wired from the settings
    outside     records that anybody may have written, read strictly
    leases      one worker at a time on a message
    outages     servers that are away are waited for
    attempts    when a missing file is tried again, and when it is lost
    quarantine  postbacks that were not understood
    settling    how a message ends up: rows of attempts, message.json
    archiving   the way of a message, top to bottom
    previewing  what a browser is given where it cannot show the original
    tallying    counts of receipts, kept in the bucket day by day
    annotating  tags and notes on a message
    naming      names for senders
    watching    what there is to watch, in Prometheus's form
    audit_chain the trail's two copies compared, entry by entry
    audit_keys  what the audit log is asked by number with
    auditing    who did what: the trail, kept in the bucket as well
    state       what people made, kept in the bucket as well
    disposition what an operator decides of a message: hold, delete, fetch again
    retention   how long the archive itself keeps messages
    archive     what is due goes back into the queue, some at a time
    sweeping    what was left undone is taken up again
    rehearsal   a test postback, followed until it is archived
    health      how servers, workers and the sweep are
    ops         what can be wrong, and who is told
    diagnosis   every setting and server, and what to do about it
    integrity   verify, repair, rebuild
    replaying   postbacks from files or quarantine, once more
    exporting   archives that leave the house, and what proves them
    lifecycle   how what is kept leaves again
    erasing     everything of one number, for a request to be forgotten
    importing   an archive's messages brought into this vault
    runtime     who has a port; why a program ended, and what helps
    embedded    Redis and the bucket as child processes; the supervisor of `up`
    backup      the vault copied elsewhere, and brought back from there
    migrating   the whole vault brought to other servers
    sample      a provider on loopback with media of every kind
    cli         the commands
"""
