// The tables of schema version 1.0; schema_1_1.cpp has what came later.
//
// What comes from outside may be any bytes, and is bytea; text is what bxhook itself has checked to
// be ASCII.  Moments are milliseconds by the database's clock, since 1970-01-01 UTC.  Numbers for
// states are those of the enums in store/records.h; they may not change.
//
// Rules that hold at the end of every transaction (the store's tests recount them):
//
//   event.open, event.dead   its deliveries waiting or running; its dead ones.  `dead` of a skipped
//                            event is 1 when it is to be matched anew: it is kept as long as those
//                            with a dead delivery, and so are its secrets
//   event.ended_at           NULL while it is new or open > 0
//   delivery.turn            NULL  not waiting, or behind another of its lane
//                            1     claimable once due_at has come
//                            2     claimable
//   delivery.lane            kind and id of the entity, NULL without a lane.  Of a hook, portal and
//                            lane at most one delivery runs; while none does, the waiting one of
//                            the smallest event, and only it, has a turn.
//   delivery.state           1 from the claim on; to people it runs from `started` on, which gives
//                            it its attempt
//   tally                    how many there are, the sum over the shards: of events (hook '') by
//                            state, and `unfinished`; of deliveries by hook and state.  Each
//                            gateway and worker counts in a shard of its own, as long as there
//                            are no more of them than shards, so that none waits for another.
//
// Locks.  Advisory ones, until the end of the transaction: one for each lane that changes, in the
// order of their keys, before any row; then `claim` (concurrency of a hook over all workers).
// Those of adds say that numbers are under way, and of a batch only the same one again waits.
#include "postgres/schema.h"

namespace bx::postgres {

// fillfactor: room on the page for the new version of a row, so that indexes need not change.  What
// changes of an event or a delivery is in the indexes that find it, so room would be of no use.
const char* const schema_tables = R"(
CREATE TABLE bxhook.event (
    n bigint PRIMARY KEY,
    state smallint NOT NULL DEFAULT 0 CHECK (state IN (0, 1, 2)),
    open integer NOT NULL DEFAULT 0,
    dead integer NOT NULL DEFAULT 0,
    ended_at bigint,
    erased boolean NOT NULL DEFAULT false,
    received_at bigint NOT NULL,
    test boolean NOT NULL,
    code text COLLATE "C" NOT NULL,
    kind bytea NOT NULL,
    id bytea NOT NULL,
    domain bytea NOT NULL,
    member_id bytea NOT NULL,
    user_id bytea NOT NULL,
    handler_id bytea NOT NULL,
    ts bytea NOT NULL,
    portal bytea NOT NULL,
    lane bytea,
    reason bytea NOT NULL DEFAULT ''
);
CREATE INDEX event_state ON bxhook.event (state, n) WHERE state <> 1;
CREATE INDEX event_received ON bxhook.event (received_at);
CREATE INDEX event_done ON bxhook.event (ended_at) WHERE ended_at IS NOT NULL AND dead = 0;
CREATE INDEX event_dead ON bxhook.event (ended_at) WHERE ended_at IS NOT NULL AND dead > 0;

CREATE SEQUENCE bxhook.event_number;
CREATE TABLE bxhook.body (event bigint PRIMARY KEY, data bytea NOT NULL);
CREATE TABLE bxhook.secret (event bigint PRIMARY KEY, data bytea NOT NULL);
CREATE TABLE bxhook.refusal (
    event bigint NOT NULL,
    hook text COLLATE "C" NOT NULL,
    reason bytea NOT NULL,
    PRIMARY KEY (event, hook)
);
-- What a gateway has added in one go; `key` begins with the time.
CREATE TABLE bxhook.batch (key bytea PRIMARY KEY, numbers bigint[] NOT NULL);

CREATE TABLE bxhook.delivery (
    event bigint NOT NULL,
    hook text COLLATE "C" NOT NULL,
    state smallint NOT NULL DEFAULT 0,
    turn smallint,
    owner bigint,
    portal bytea NOT NULL,
    lane bytea,
    attempt integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL,
    due_at bigint,
    failed_at bigint,
    ended_at bigint,
    merged_into bigint,
    reason bytea NOT NULL DEFAULT '',
    PRIMARY KEY (event, hook)
);
CREATE INDEX delivery_ready ON bxhook.delivery (hook, portal, event) WHERE turn = 2;
CREATE INDEX delivery_due ON bxhook.delivery (due_at) WHERE turn = 1;
CREATE INDEX delivery_lane ON bxhook.delivery (hook, portal, lane, state DESC, event)
    WHERE lane IS NOT NULL AND state < 2;
CREATE INDEX delivery_state ON bxhook.delivery (state, event) WHERE state <> 2;
CREATE INDEX delivery_failed ON bxhook.delivery (event)
    WHERE failed_at IS NOT NULL AND state < 2 AND lane IS NOT NULL;

CREATE TABLE bxhook.attempt (
    event bigint NOT NULL,
    hook text COLLATE "C" NOT NULL,
    attempt integer NOT NULL,
    run text COLLATE "C" NOT NULL,
    result smallint NOT NULL DEFAULT 0,
    exit integer,
    signal text COLLATE "C" NOT NULL DEFAULT '',
    reason bytea NOT NULL DEFAULT '',
    started_at bigint NOT NULL,
    ended_at bigint,
    out_bytes bigint NOT NULL DEFAULT 0,
    err_bytes bigint NOT NULL DEFAULT 0,
    out bytea NOT NULL DEFAULT '',
    err bytea NOT NULL DEFAULT '',
    PRIMARY KEY (event, hook, attempt)
) WITH (fillfactor = 70);

CREATE TABLE bxhook.tally (
    hook text COLLATE "C" NOT NULL,
    what text COLLATE "C" NOT NULL,
    shard smallint NOT NULL,
    n bigint NOT NULL,
    PRIMARY KEY (hook, what, shard)
) WITH (fillfactor = 20);
CREATE TABLE bxhook.rate (
    minute bigint NOT NULL,
    hook text COLLATE "C" NOT NULL,
    shard smallint NOT NULL,
    done bigint NOT NULL,
    failed bigint NOT NULL,
    dead bigint NOT NULL,
    PRIMARY KEY (minute, hook, shard)
) WITH (fillfactor = 20);
CREATE TABLE bxhook.kill_wish (
    event bigint NOT NULL,
    hook text COLLATE "C" NOT NULL,
    PRIMARY KEY (event, hook)
);
-- `server` is the start of the server process that `lease_until` was written by: another server's
-- clock says nothing about it.
CREATE TABLE bxhook.worker (
    id bigint PRIMARY KEY,
    host text NOT NULL,
    pid bigint NOT NULL,
    version text NOT NULL,
    since bigint NOT NULL,
    running integer NOT NULL,
    config_error bytea NOT NULL,
    seen_at bigint NOT NULL,
    lease_until bigint NOT NULL,
    server timestamptz NOT NULL
) WITH (fillfactor = 20);

-- Rows change often, and old versions of them would be in the way of claims.  What autovacuum finds
-- is on few pages, those of the last events: it is not to take its time over them.
ALTER TABLE bxhook.event
    SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE bxhook.secret
    SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE bxhook.delivery
    SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
)";

}  // namespace bx::postgres
