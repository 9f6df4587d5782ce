-- The tables of a store, of whatever kind: what each means, and what holds at the end of every
-- transaction.  The tests recount it (Scene::recount).
--
-- Names are numbers here: a hook is hook.id, who an event is of is portal.id, and a delivery is
--
--     d = N << 16 | hook.id
--
-- so that those of an event are one range, in order of N.  States and results are the numbers of
-- the enums in store/records.h; they may not change.
--
-- A row is written once and deleted once, as far as can be.  An event's row is never changed; a
-- delivery is a row of `open`, and of one of `ready`, `due` and `running` beside it when it is its
-- turn, until it becomes one of `ended`.

-- One row, id 0.
--   matched    Events up to that number have been matched, but for those in `unmatched`; those
--              after it are new, but for those in `skipped` (cancelled before their match).
--   last       At least the greatest number that was ever deleted.  The next event's is one more
--              than the greatest of it, `matched` and event.n.
--   finished   How many events of all there ever were are finished; what is missing to the greatest
--              number is unfinished, which the gateway need not count.
--   pruned     How many have no row any more.
--   skipped    Rows of `skipped`.
--   erased, scrubbed   Erasures of secrets so far, and those that have left the log.
--   key0, key1 Of the hash that makes lanes.
CREATE TABLE world (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    matched INTEGER NOT NULL DEFAULT 0,
    last INTEGER NOT NULL DEFAULT 0,
    finished INTEGER NOT NULL DEFAULT 0,
    pruned INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0,
    erased INTEGER NOT NULL DEFAULT 0,
    scrubbed INTEGER NOT NULL DEFAULT 0,
    key0 INTEGER NOT NULL,
    key1 INTEGER NOT NULL
);

-- Who events are of, as their token proved; never deleted.  `name` is that of lanes
-- (EventFacts::lane_portal), and the smallest id of a name stands for it there and in `ready`.
CREATE TABLE portal (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    member_id TEXT NOT NULL,
    domain TEXT NOT NULL,
    UNIQUE (name, member_id, domain)
);

-- Never deleted.  `open` to `cancelled`: its deliveries that are there now; `ended_...`, `ran_...`:
-- how many deliveries and runs ever ended so.
CREATE TABLE hook (
    id INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 65535),
    name TEXT NOT NULL UNIQUE,
    open INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0,
    merged INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    ended_done INTEGER NOT NULL DEFAULT 0,
    ended_dead INTEGER NOT NULL DEFAULT 0,
    ended_merged INTEGER NOT NULL DEFAULT 0,
    ended_cancelled INTEGER NOT NULL DEFAULT 0,
    ran_done INTEGER NOT NULL DEFAULT 0,
    ran_failed INTEGER NOT NULL DEFAULT 0,
    ran_timeout INTEGER NOT NULL DEFAULT 0,
    ran_lost INTEGER NOT NULL DEFAULT 0,
    ran_interrupted INTEGER NOT NULL DEFAULT 0,
    ran_cancelled INTEGER NOT NULL DEFAULT 0
);

-- What the hook had counted when a minute began in which something of it ended: runs that were
-- done, that failed, deliveries that died.  Of the last hour.
CREATE TABLE hook_minute (
    hook INTEGER NOT NULL,
    minute INTEGER NOT NULL,
    done INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    PRIMARY KEY (hook, minute)
) WITHOUT ROWID;

-- An event as it came.
--   slot         Its secrets, see `slot`; NULL: it has none.
--   origin       0 a post, 1 fetched (offline), 2 a test, 3 our own (BXHOOK.*).
--   installation Whose token proved who it is of; NULL: the configuration's.
--   ts           The sender's time as a number; NULL: it is none, and among the facts.
--   delayed      Seconds in a spool; NULL: it was in none.
--   facts        The rest of EventFacts, see store/facts.h.
--   body         encode_payload's.
CREATE TABLE event (
    n INTEGER PRIMARY KEY CHECK (n > 0),
    received_at INTEGER NOT NULL CHECK (typeof(received_at) = 'integer'),
    portal INTEGER NOT NULL CHECK (typeof(portal) = 'integer'),
    slot INTEGER,
    origin INTEGER NOT NULL DEFAULT 0 CHECK (origin BETWEEN 0 AND 3),
    installation INTEGER,
    ts INTEGER,
    delayed INTEGER,
    facts BLOB NOT NULL,
    body BLOB NOT NULL
);

-- Events that came over a minute before the one in front of them: the clock was set back.  From one
-- of these to the next times grow, but for a minute.
CREATE TABLE clock_step (n INTEGER PRIMARY KEY);

-- Secrets of the event that `data` names, or zeros: sqlite/secrets.h.
CREATE TABLE slot (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
-- Free ones, of sizes that tokens and held posts have.
CREATE INDEX slot_spare ON slot (length(data))
WHERE length(data) >= 512 AND substr(data, 1, 8) = x'0000000000000000';

-- New events up to world.matched: skipped before, to be matched again.
CREATE TABLE unmatched (n INTEGER PRIMARY KEY);

-- `retryable`: through no fault of its own, so that its secrets are kept.
CREATE TABLE skipped (
    n INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    retryable INTEGER NOT NULL CHECK (retryable IN (0, 1)),
    reason TEXT NOT NULL
);
CREATE INDEX skipped_retryable ON skipped (n) WHERE retryable = 1;

-- The hooks that did not take an event, and why; `more`: how many others did not.
CREATE TABLE refusal (n INTEGER PRIMARY KEY, more INTEGER NOT NULL, list BLOB NOT NULL);

-- Deliveries that wait or run.
--   lane       Of hook, portal, kind and id; NULL: it has none.  Of a lane one runs at a time, and
--              while none does the first, and it alone, is in `ready` or `due`.
--   attempt    Attempts that ended.
--   fellows    How many deliveries its event has; 1 saves asking for others when it ends.
--   failures   Of its attempts that ended, those that failed since attempts were last given; NULL:
--              some were taken over in a merge.
--   failed_at  When the first of these ended.
--   reason     Of the last of these, or why it waits at all.
CREATE TABLE open (
    d INTEGER PRIMARY KEY CHECK (d > 65536),
    lane INTEGER,
    portal INTEGER NOT NULL CHECK (typeof(portal) = 'integer'),
    due_at INTEGER NOT NULL CHECK (typeof(due_at) = 'integer'),
    attempt INTEGER NOT NULL CHECK (attempt >= 0),
    max_attempts INTEGER NOT NULL CHECK (typeof(max_attempts) = 'integer'),
    fellows INTEGER NOT NULL CHECK (fellows > 0),
    failures INTEGER DEFAULT 0,
    failed_at INTEGER,
    reason TEXT
);
CREATE INDEX open_lane ON open (lane, d) WHERE lane IS NOT NULL;
CREATE INDEX open_failed ON open (d) WHERE failed_at IS NOT NULL AND lane IS NOT NULL;
CREATE INDEX open_reasoned ON open (d) WHERE attempt = 0 AND reason IS NOT NULL;

-- Deliveries that can be claimed now, and those that can be at a time.  `at` is open.due_at.
CREATE TABLE ready (
    hook INTEGER NOT NULL,
    portal INTEGER NOT NULL,
    d INTEGER NOT NULL CHECK (d & 65535 = hook),
    at INTEGER NOT NULL,
    PRIMARY KEY (hook, portal, d)
) WITHOUT ROWID;
CREATE TABLE due (at INTEGER NOT NULL, d INTEGER NOT NULL, PRIMARY KEY (at, d)) WITHOUT ROWID;

-- Runs that have not ended.  `seed`: what makes the run's name unlike others'.  `kill`: a person
-- wants it ended.
CREATE TABLE running (
    d INTEGER PRIMARY KEY,
    attempt INTEGER NOT NULL CHECK (attempt > 0),
    started_at INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    kill INTEGER NOT NULL DEFAULT 0
);
-- What some of them have written so far.
CREATE TABLE output (
    d INTEGER PRIMARY KEY,
    out_bytes INTEGER NOT NULL,
    err_bytes INTEGER NOT NULL,
    out BLOB NOT NULL,
    err BLOB NOT NULL
);

-- Deliveries that ended at `at`, with the run that ended them (`result` NULL: none did), the number
-- of which is `attempt`.  What has nothing to say is NULL.
CREATE TABLE ended (
    d INTEGER PRIMARY KEY CHECK (d > 65536),
    state INTEGER NOT NULL CHECK (state BETWEEN 2 AND 5),
    at INTEGER NOT NULL CHECK (typeof(at) = 'integer'),
    attempt INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    laned INTEGER NOT NULL,
    merged_into INTEGER,
    reason TEXT,
    result INTEGER CHECK (result BETWEEN 1 AND 6),
    started_at INTEGER,
    seed INTEGER,
    exit INTEGER,
    signal TEXT,
    note TEXT,
    out_bytes INTEGER,
    err_bytes INTEGER,
    out BLOB,
    err BLOB
);
CREATE INDEX ended_state ON ended (state, d) WHERE state <> 2;

-- Runs that did not end their delivery.
CREATE TABLE attempt (
    d INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    result INTEGER NOT NULL CHECK (result BETWEEN 1 AND 6),
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    exit INTEGER,
    signal TEXT,
    note TEXT,
    out_bytes INTEGER,
    err_bytes INTEGER,
    out BLOB,
    err BLOB,
    PRIMARY KEY (d, attempt)
) WITHOUT ROWID;

-- One row a worker; `once`: one row at most, see OnceRecord; `clock`: store/clock_watch.h.
CREATE TABLE worker (
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    version TEXT NOT NULL,
    since INTEGER NOT NULL,
    running INTEGER NOT NULL,
    config_error TEXT NOT NULL,
    trouble TEXT NOT NULL,
    once INTEGER NOT NULL,
    PRIMARY KEY (host, pid)
) WITHOUT ROWID;
CREATE TABLE once (left_at INTEGER NOT NULL, host TEXT NOT NULL, trouble TEXT NOT NULL);
CREATE TABLE clock (
    boot TEXT PRIMARY KEY,
    up INTEGER NOT NULL,
    wall INTEGER NOT NULL,
    step INTEGER NOT NULL
) WITHOUT ROWID;

-- MatchQueue::fingerprint.
CREATE TABLE hooks_seen (
    host TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    seen_at INTEGER NOT NULL
) WITHOUT ROWID;

-- An application on a portal.  Ids are never given again.
--   state        0 pending, 1 active, 2 broken, 3 gone.
--   problem      `moved`: another store has it, with its tokens (stores/copy.h).  It is gone, or
--                pending, and its posts are taken or held all the same, until that store is used.
--   client_id    Empty: it is not verified; of a pending one that is, no block has it.
--   application_token, application_token_before
--                SHA-256.  The second has those before, one behind the other, the newest first:
--                right as well, until a post with the first has come.
--   page_key     SHA-256 of an AUTH_ID, of a pending one that came without application_token.
--   token        Its tokens' slot, which names it by -id; NULL: they are erased.
--   installed_ts By the sender's clock.
--   lease_until, lease_by
--                Who may renew the tokens; when the time is over it is not known what became of it.
--                Until NULL: LEASE_BY, if anybody, gave it back.
CREATE TABLE installation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    member_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3),
    domain TEXT NOT NULL,
    user_id TEXT NOT NULL,
    application_token BLOB,
    application_token_before BLOB,
    page_key BLOB,
    token INTEGER,
    token_expires_at INTEGER,
    client_endpoint TEXT,
    server TEXT,
    scope TEXT,
    plan_status TEXT,
    peer TEXT,
    installed_at INTEGER NOT NULL,
    installed_ts INTEGER,
    renewed_at INTEGER,
    last_event_at INTEGER,
    gone_at INTEGER,
    lease_until INTEGER,
    lease_by TEXT,
    problem TEXT
);
CREATE INDEX installation_member ON installation (member_id, client_id);
CREATE INDEX installation_domain ON installation (domain);
CREATE INDEX installation_state ON installation (state, client_id, peer);

-- Posts for an installation that is not verified, or has no application_token yet, in order of
-- receipt.
--   token    SHA-256 of the one it came with.
--   bytes    Of its body.
--   counted  It counts against store/installation.h's HoldLimits: it did not bring the installation.
--   slot     The first of those that have the whole of it (pack_post), which name it by held_owner
--            (sqlite/held_posts.h).
CREATE TABLE held_post (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    installation INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    counted INTEGER NOT NULL CHECK (counted IN (0, 1)),
    token BLOB NOT NULL,
    slot INTEGER NOT NULL
);
CREATE INDEX held_post_installation ON held_post (installation, id);

-- What is to be done for an installation (0: for all).  `what`: Chore.  `problem`: of the last try,
-- which was in vain.  `wanted_at`: since when it is due once more; of one that is under way alone.
CREATE TABLE chore (
    installation INTEGER NOT NULL,
    what INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    began_at INTEGER,
    wanted_at INTEGER,
    ended_at INTEGER,
    found INTEGER,
    problem TEXT,
    PRIMARY KEY (installation, what)
) WITHOUT ROWID;
CREATE INDEX chore_due ON chore (what, due_at);

-- How fast portals are called (store/limiter.h).  `level` is in thousandths of a call, at `at`, as
-- milliseconds since the machine's boot.
CREATE TABLE limiter (
    portal TEXT PRIMARY KEY,
    level INTEGER NOT NULL,
    at INTEGER NOT NULL
) WITHOUT ROWID;
-- Methods that have used much of their operating time.  `free_at`: when some of it is free again,
-- since the machine's boot.
CREATE TABLE operating (
    portal TEXT NOT NULL,
    whose TEXT NOT NULL,
    method TEXT NOT NULL,
    free_at INTEGER NOT NULL,
    blocked INTEGER NOT NULL CHECK (blocked IN (0, 1)),
    PRIMARY KEY (portal, whose, method)
) WITHOUT ROWID;

-- What an installation has subscribed to by us.  `by_hand`: a person asked for it by name.
CREATE TABLE binding (
    installation INTEGER NOT NULL,
    event TEXT NOT NULL,
    offline INTEGER NOT NULL,
    handler TEXT NOT NULL,
    by_hand INTEGER NOT NULL CHECK (by_hand IN (0, 1)),
    bound_at INTEGER NOT NULL,
    PRIMARY KEY (installation, event, offline, handler)
) WITHOUT ROWID;

-- What nothing writes yet: what was fetched and is known; keys of the page.
-- What an event said, as a hash: a copy of it that comes another way is told by it.
CREATE TABLE fingerprint (
    hash BLOB PRIMARY KEY,
    ts INTEGER NOT NULL,
    n INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE fetched (
    installation INTEGER NOT NULL,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (installation, id)
) WITHOUT ROWID;
-- Batches that were given with a key, so that they are there once.
CREATE TABLE batch (
    key BLOB PRIMARY KEY,
    at INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE web_key (
    hash BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    role INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    ends_at INTEGER,
    used_at INTEGER
) WITHOUT ROWID;
