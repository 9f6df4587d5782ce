-- The tables of a store on a server: what each means, and what holds at the end of every
-- transaction.  The tests recount it (Scene::recount).
--
-- What comes from outside may be any bytes, and is bytea; text is what bxhook itself has checked to
-- be ASCII.  Moments are milliseconds by the database's clock, since 1970-01-01 UTC.
--
-- Names are numbers here: a hook is hook.id, who an event is of is portal.id, and a delivery is
--
--     d = N << 16 | hook.id
--
-- so that those of an event are one range, in order of N.  States, results and origins are numbers
-- too, which may not change; {NAME} stands for one.
--
-- A row is written once and deleted once, as far as can be.  An event's row is never changed; a
-- delivery is a row of `open`, and of one of `ready` and `due` beside it when it has its lane's turn
-- and is not claimed, until it becomes one of `ended`.
--
-- Locks, always taken in this order, and held until the end of the transaction:
--
--   installations  exclusive: holding posts, and changing what an installation is (installations.sql)
--   numbers   of adds: they say that numbers are under way (add.sql)
--   matching  exclusive: matching, and whatever else changes lanes other than at their heads
--   turns     shared: a turn, which is the ends of runs and the next claims of a worker (turn.sql);
--             exclusive: nobody has one
--   a row of `holder`, rows of `open` in the order of d
--   events    of which several deliveries may end at once, in the order of N
--   claims    exclusive: claiming, so that concurrency is that of all workers
--   counters
--
-- numbers DeliveryState: waiting running done dead merged cancelled
-- numbers AttemptResult ran_: running done failed timeout lost interrupted cancelled
-- numbers EventState event_: fresh matched skipped
-- numbers InstallationState of_: pending active broken gone
-- numbers Chore to_: verify renew bind adopt pass tell
-- numbers HeldKind kind_: post install page page_key
-- numbers HoldResult hold_: held changed full_of_installation full full_of_unclaimed full_of_unverified

CREATE SEQUENCE bxhook.event_number;

-- One row.
--   matched     Events up to that number have been matched, but for those in `unmatched`; those
--               after it are new, but for those in `skipped` (cancelled before their match).  No
--               number up to it is to come any more.
--   key0, key1  Of the hash that makes lanes.
CREATE TABLE bxhook.world (
    id smallint PRIMARY KEY DEFAULT 0 CHECK (id = 0),
    matched bigint NOT NULL DEFAULT 0,
    key0 bigint NOT NULL,
    key1 bigint NOT NULL
) WITH (fillfactor = 10);

-- Events, the sum over the shards: of the numbers that were ever given those that are finished, or
-- are no event's and have been passed by world.matched (what is missing to the last number is
-- unfinished); those that are there and are matched, or skipped.  Each session counts in a shard of
-- its own, so that none waits for another.
CREATE TABLE bxhook.event_tally (
    shard smallint PRIMARY KEY,
    finished bigint NOT NULL DEFAULT 0,
    matched bigint NOT NULL DEFAULT 0,
    skipped bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20);

-- Who events are of, as their token proved; never deleted.  `name` is that of lanes
-- (EventFacts::lane_portal), `account` the first id of that name, which stands for it in lanes and
-- in `ready`.
CREATE TABLE bxhook.portal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account bigint NOT NULL,
    name bytea NOT NULL,
    member_id bytea NOT NULL,
    domain bytea NOT NULL,
    UNIQUE (name, member_id, domain)
);

-- Never deleted.
CREATE TABLE bxhook.hook (
    id bigint PRIMARY KEY CHECK (id BETWEEN 1 AND 65535),
    name text COLLATE "C" NOT NULL UNIQUE
);
-- The sum over the shards.  `open` to `cancelled`: its deliveries that are there now; `ended_...`,
-- `ran_...`: how many deliveries and runs ever ended so.
CREATE TABLE bxhook.hook_tally (
    hook bigint NOT NULL,
    shard smallint NOT NULL,
    open bigint NOT NULL DEFAULT 0,
    done bigint NOT NULL DEFAULT 0,
    dead bigint NOT NULL DEFAULT 0,
    merged bigint NOT NULL DEFAULT 0,
    cancelled bigint NOT NULL DEFAULT 0,
    ended_done bigint NOT NULL DEFAULT 0,
    ended_dead bigint NOT NULL DEFAULT 0,
    ended_merged bigint NOT NULL DEFAULT 0,
    ended_cancelled bigint NOT NULL DEFAULT 0,
    ran_done bigint NOT NULL DEFAULT 0,
    ran_failed bigint NOT NULL DEFAULT 0,
    ran_timeout bigint NOT NULL DEFAULT 0,
    ran_lost bigint NOT NULL DEFAULT 0,
    ran_interrupted bigint NOT NULL DEFAULT 0,
    ran_cancelled bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (hook, shard)
) WITH (fillfactor = 20);
-- What the shard had counted when a minute began in which something of the hook ended: runs that
-- were done, that failed, deliveries that died.  Of the last hour.
CREATE TABLE bxhook.hook_minute (
    hook bigint NOT NULL,
    shard smallint NOT NULL,
    minute bigint NOT NULL,
    done bigint NOT NULL,
    failed bigint NOT NULL,
    dead bigint NOT NULL,
    PRIMARY KEY (hook, shard, minute)
);

-- An event as it came.
--   lane          Of kind, id and account, the same for all hooks; NULL: it has no id.
--   ts            The sender's time as a number; NULL: it is none, and among the facts.
--   portal        portal.id.
--   installation  Whose token proved who it is of; NULL: the configuration's.
--   delayed       Seconds in a spool; NULL: it was in none.
--   origin        0 a post, 1 fetched (offline), 2 a test, 3 our own (BXHOOK.*).
--   secret        It came with secrets: a row of `secret`, until they are erased.
--   facts         The rest of EventFacts, see store/facts.h.
--   body          encode_payload's.
CREATE TABLE bxhook.event (
    n bigint PRIMARY KEY CHECK (n > 0),
    received_at bigint NOT NULL,
    lane bigint,
    ts bigint,
    portal bigint NOT NULL,
    installation bigint,
    delayed bigint,
    origin smallint NOT NULL CHECK (origin BETWEEN 0 AND 3),
    secret boolean NOT NULL,
    facts bytea NOT NULL,
    body bytea NOT NULL
);
CREATE TABLE bxhook.secret (n bigint PRIMARY KEY, data bytea NOT NULL);

-- The first and the last number up to world.matched that was received in a minute.
CREATE TABLE bxhook.received (
    minute bigint PRIMARY KEY,
    first bigint NOT NULL,
    last bigint NOT NULL
) WITH (fillfactor = 20);

-- What a gateway has added in one go; `key` begins with the time.  `held`: what became of its posts
-- that were to be held; NULL: it had none.
CREATE TABLE bxhook.batch (
    key bytea PRIMARY KEY,
    at bigint NOT NULL,
    numbers bigint[] NOT NULL,
    held bigint[]
);

-- New events up to world.matched.
CREATE TABLE bxhook.unmatched (n bigint PRIMARY KEY);

-- `retryable`: through no fault of its own, so that its secrets are kept.
CREATE TABLE bxhook.skipped (
    n bigint PRIMARY KEY,
    at bigint NOT NULL,
    retryable boolean NOT NULL,
    reason bytea NOT NULL
);
CREATE INDEX skipped_retryable ON bxhook.skipped (n) WHERE retryable;

-- The hooks that did not take an event, and why (store/facts.h); `more`: how many others did not.
CREATE TABLE bxhook.refusal (n bigint PRIMARY KEY, more bigint NOT NULL, list bytea NOT NULL);

-- Deliveries that wait or run.
--   lane       event.lane with the hook in it; NULL: it has none.  Of a lane one is claimed at a
--              time, and while none is the first waits with the turn.
--   next       The one that has the turn when this one has ended: of those of its lane that wait,
--              the next in order of d; for the claimed one, the first.
--   portal     portal.account.
--   attempt    Attempts that ended.
--   fellows    How many deliveries its event has; 1 saves asking for others when it ends.
--   failures   Of its attempts that ended, those that failed since attempts were last given; NULL:
--              some were taken over in a merge.
--   failed_at  When the first of these ended.
--   reason     Of the last of these, or why it waits at all.
CREATE TABLE bxhook.open (
    d bigint PRIMARY KEY CHECK (d > 65536),
    lane bigint,
    next bigint,
    portal bigint NOT NULL,
    due_at bigint NOT NULL,
    failed_at bigint,
    attempt integer NOT NULL CHECK (attempt >= 0),
    max_attempts integer NOT NULL,
    fellows integer NOT NULL CHECK (fellows > 0),
    failures integer DEFAULT 0,
    reason bytea
) WITH (fillfactor = 70);
CREATE INDEX open_lane ON bxhook.open (lane, d) WHERE lane IS NOT NULL;
CREATE INDEX open_failed ON bxhook.open (d) WHERE failed_at IS NOT NULL AND lane IS NOT NULL;
CREATE INDEX open_reasoned ON bxhook.open (d) WHERE attempt = 0 AND reason IS NOT NULL;

-- Deliveries that can be claimed now, and those that can be at a time.  `at` is open.due_at.
CREATE TABLE bxhook.ready (
    hook bigint NOT NULL,
    portal bigint NOT NULL,
    d bigint NOT NULL CHECK (d & 65535 = hook),
    at bigint NOT NULL,
    PRIMARY KEY (hook, portal, d)
);
CREATE TABLE bxhook.due (at bigint NOT NULL, d bigint NOT NULL, PRIMARY KEY (at, d));

-- What a worker has claimed: the runs that have begun, when and under what name, and those of which
-- it is not known (to people they wait).  Whose row of `worker` is gone or has run out is dead.
CREATE TABLE bxhook.holder (
    owner bigint PRIMARY KEY,
    held bigint[] NOT NULL DEFAULT '{}',
    running bigint[] NOT NULL DEFAULT '{}',
    started bigint[] NOT NULL DEFAULT '{}',
    seeds bigint[] NOT NULL DEFAULT '{}'
) WITH (fillfactor = 10);
-- What some of the runs have written so far.
CREATE TABLE bxhook.output (
    d bigint PRIMARY KEY,
    out_bytes bigint NOT NULL,
    err_bytes bigint NOT NULL,
    out bytea NOT NULL,
    err bytea NOT NULL
);
-- A person wants the run ended.
CREATE TABLE bxhook.kill_request (d bigint PRIMARY KEY);

-- Deliveries that ended at `at`, with the run that ended them (`result` NULL: none did), the number
-- of which is `attempt`.  What has nothing to say is NULL.
CREATE TABLE bxhook.ended (
    d bigint PRIMARY KEY CHECK (d > 65536),
    at bigint NOT NULL,
    started_at bigint,
    seed bigint,
    merged_into bigint,
    out_bytes bigint,
    err_bytes bigint,
    attempt integer NOT NULL,
    max_attempts integer NOT NULL,
    exit integer,
    state smallint NOT NULL CHECK (state BETWEEN 2 AND 5),
    result smallint CHECK (result BETWEEN 1 AND 6),
    laned boolean NOT NULL,
    reason bytea,
    signal text COLLATE "C",
    note bytea,
    out bytea,
    err bytea
);
CREATE INDEX ended_state ON bxhook.ended (state, d) WHERE state <> 2;

-- Runs that did not end their delivery.
CREATE TABLE bxhook.attempt (
    d bigint NOT NULL,
    started_at bigint NOT NULL,
    ended_at bigint NOT NULL,
    seed bigint NOT NULL,
    out_bytes bigint,
    err_bytes bigint,
    attempt integer NOT NULL,
    exit integer,
    result smallint NOT NULL CHECK (result BETWEEN 1 AND 6),
    signal text COLLATE "C",
    note bytea,
    out bytea,
    err bytea,
    PRIMARY KEY (d, attempt)
);

-- `server` is the start of the server process that `lease_until` was written by: another server's
-- clock says nothing about it.
CREATE TABLE bxhook.worker (
    id bigint PRIMARY KEY,
    host text NOT NULL,
    pid bigint NOT NULL,
    version text NOT NULL,
    since bigint NOT NULL,
    running bigint NOT NULL,
    config_error bytea NOT NULL,
    trouble bytea NOT NULL,
    once boolean NOT NULL,
    seen_at bigint NOT NULL,
    lease_until bigint NOT NULL,
    server timestamptz NOT NULL
) WITH (fillfactor = 20);
-- Workers that found nothing to match and listen: who adds something wakes them.
CREATE TABLE bxhook.sleeper (owner bigint PRIMARY KEY, asleep boolean NOT NULL)
    WITH (fillfactor = 20);
-- One row at most, see OnceRecord (store/records.h).
CREATE TABLE bxhook.once (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    left_at bigint NOT NULL,
    host text NOT NULL,
    trouble bytea NOT NULL
);
-- See store/clock_watch.h; `wall` is the database's clock.
CREATE TABLE bxhook.clock (
    boot text PRIMARY KEY,
    up bigint NOT NULL,
    wall bigint NOT NULL,
    step bigint NOT NULL
);
-- MatchQueue::fingerprint.
CREATE TABLE bxhook.hooks_seen (
    host text PRIMARY KEY,
    fingerprint text NOT NULL,
    seen_at bigint NOT NULL
);

-- Rows that come and go: what is dead of them would be in the way of claims.  It is on few pages,
-- those of the last events: autovacuum is not to take its time over them.
ALTER TABLE bxhook.open SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE bxhook.ready SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE bxhook.due SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE bxhook.secret SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- An application on a portal; columns as in src/sqlite/sql/schema.sql.
CREATE TABLE bxhook.installation (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member_id bytea NOT NULL,
    client_id bytea NOT NULL,
    state smallint NOT NULL CHECK (state BETWEEN 0 AND 3),
    domain bytea NOT NULL,
    user_id bytea NOT NULL,
    application_token bytea,
    application_token_before bytea,
    page_key bytea,
    token_expires_at bigint,
    client_endpoint bytea,
    server bytea,
    scope bytea,
    plan_status bytea,
    peer bytea,
    installed_at bigint NOT NULL,
    installed_ts bigint,
    renewed_at bigint,
    last_event_at bigint,
    gone_at bigint,
    lease_until bigint,
    lease_by text,
    problem bytea
);
CREATE INDEX installation_member ON bxhook.installation (member_id, client_id);
CREATE INDEX installation_domain ON bxhook.installation (domain);
CREATE INDEX installation_state ON bxhook.installation (state, client_id, peer);
-- Its tokens.  Apart, so that a role without it sees none.
CREATE TABLE bxhook.token (installation bigint PRIMARY KEY, data bytea NOT NULL);

-- Posts for an installation that is not verified, or has no application_token yet, in order of
-- receipt; columns as in src/sqlite/sql/schema.sql.
CREATE TABLE bxhook.held_post (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    installation bigint NOT NULL,
    received_at bigint NOT NULL,
    bytes bigint NOT NULL,
    counted boolean NOT NULL,
    token bytea NOT NULL,
    data bytea NOT NULL
);
CREATE INDEX held_post_installation ON bxhook.held_post (installation, id);

-- What is to be done for an installation (0: for all).  `what`: Chore.  `problem`: of the last try,
-- which was in vain.  `wanted_at`: since when it is due once more; of one that is under way alone.
CREATE TABLE bxhook.chore (
    installation bigint NOT NULL,
    what smallint NOT NULL,
    due_at bigint NOT NULL,
    tries integer NOT NULL,
    began_at bigint,
    wanted_at bigint,
    ended_at bigint,
    found bigint,
    problem bytea,
    PRIMARY KEY (installation, what)
);
CREATE INDEX chore_due ON bxhook.chore (what, due_at);

-- How fast portals are called (store/limiter.h).  `level` is in thousandths of a call, at `at`.
CREATE TABLE bxhook.limiter (
    portal bytea PRIMARY KEY,
    level bigint NOT NULL,
    at bigint NOT NULL
) WITH (fillfactor = 20);
-- Methods that have used much of their operating time.  `free_at`: when some of it is free again.
CREATE TABLE bxhook.operating (
    portal bytea NOT NULL,
    whose bytea NOT NULL,
    method bytea NOT NULL,
    free_at bigint NOT NULL,
    blocked boolean NOT NULL,
    PRIMARY KEY (portal, whose, method)
) WITH (fillfactor = 20);

-- What an installation has subscribed to by us.  `by_hand`: a person asked for it by name.
CREATE TABLE bxhook.binding (
    installation bigint NOT NULL,
    event bytea NOT NULL,
    offline boolean NOT NULL,
    handler bytea NOT NULL,
    by_hand boolean NOT NULL,
    bound_at bigint NOT NULL,
    PRIMARY KEY (installation, event, offline, handler)
);

-- What nothing writes yet: what was fetched and is known; keys of the page.
-- What an event said, as a hash: a copy of it that comes another way is told by it.
CREATE TABLE bxhook.fingerprint (hash bytea PRIMARY KEY, ts bigint NOT NULL, n bigint NOT NULL);
CREATE TABLE bxhook.fetched (
    installation bigint NOT NULL,
    id bytea NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (installation, id)
);
CREATE TABLE bxhook.web_key (
    hash bytea PRIMARY KEY,
    name text NOT NULL,
    role smallint NOT NULL,
    made_at bigint NOT NULL,
    ends_at bigint,
    used_at bigint
);
