-- What is shown.

-- Numbers of events, newest first, of one of a_states (as RowState; NULL: any), and with deliveries
-- for a_hooks (NULL: any); the next, some hundreds.  None: there are no more.
-- numbers RowState row_: fresh skipped waiting running done dead merged cancelled
CREATE FUNCTION bxhook.list_events(a_states bigint[], a_hooks bigint[], a_smallest bigint,
    a_greatest bigint, a_most bigint) RETURNS TABLE (n bigint) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    v_first bigint := a_smallest << 16;
    v_last bigint := a_greatest << 16 | 65535;
    v_any boolean := a_states IS NULL;
    v_matched bigint := (SELECT matched FROM bxhook.world);
BEGIN
    RETURN QUERY
    WITH found AS (
        (SELECT 1 AS of, d >> 16 AS n FROM bxhook.open
        WHERE (v_any OR {row_waiting} = ANY (a_states)) AND d BETWEEN v_first AND v_last
            AND (a_hooks IS NULL OR d & 65535 = ANY (a_hooks))
        ORDER BY d DESC LIMIT a_most)
        UNION ALL
        (SELECT 3, r >> 16 FROM bxhook.holder AS h CROSS JOIN unnest(h.running) AS u (r)
        WHERE {row_running} = ANY (a_states) AND r BETWEEN v_first AND v_last
            AND (a_hooks IS NULL OR r & 65535 = ANY (a_hooks))
        ORDER BY r DESC LIMIT a_most)
        UNION ALL
        (SELECT 2, d >> 16 FROM bxhook.ended
        WHERE (v_any OR {row_done} = ANY (a_states) AND state = {done}) AND d BETWEEN v_first AND v_last
            AND (a_hooks IS NULL OR d & 65535 = ANY (a_hooks))
        ORDER BY d DESC LIMIT a_most)
        UNION ALL
        (SELECT s.of, s.n FROM (VALUES ({dead}, {row_dead}), ({merged}, {row_merged}),
            ({cancelled}, {row_cancelled})) AS k (state, word) CROSS JOIN LATERAL (
            -- Compared as rows: only ended_state has them in that order.
            SELECT k.word AS of, d >> 16 AS n FROM bxhook.ended WHERE state <> {done}
                AND (state, d) >= (k.state, v_first) AND (state, d) <= (k.state, v_last)
                AND k.word = ANY (a_states) AND (a_hooks IS NULL OR d & 65535 = ANY (a_hooks))
            ORDER BY state DESC, d DESC LIMIT a_most) AS s)
        UNION ALL
        (SELECT 8, s.n FROM bxhook.skipped AS s WHERE a_hooks IS NULL
            AND (v_any OR {row_skipped} = ANY (a_states)) AND s.n BETWEEN a_smallest AND a_greatest
        ORDER BY s.n DESC LIMIT a_most)
        UNION ALL
        (SELECT 9, u.n FROM bxhook.unmatched AS u WHERE a_hooks IS NULL
            AND (v_any OR {row_fresh} = ANY (a_states)) AND u.n BETWEEN a_smallest AND a_greatest
        ORDER BY u.n DESC LIMIT a_most)
        UNION ALL
        (SELECT 10, e.n FROM bxhook.event AS e WHERE a_hooks IS NULL
            AND (v_any OR {row_fresh} = ANY (a_states)) AND e.n > v_matched
            AND e.n BETWEEN a_smallest AND a_greatest
            AND NOT EXISTS (SELECT 1 FROM bxhook.skipped AS s WHERE s.n = e.n)
        ORDER BY e.n DESC LIMIT a_most)
    )
    -- Of those of which there may be more nothing beyond is known.
    SELECT DISTINCT f.n FROM found AS f WHERE f.n >= coalesce((SELECT max(least) FROM (
        SELECT min(g.n) AS least FROM found AS g GROUP BY g.of HAVING count(*) = a_most) AS cut), 0)
    ORDER BY f.n DESC;
END $$;

-- The first number of those received at a time or later, at least; of such a number none may be.
CREATE FUNCTION bxhook.first_received(a_since bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT least((SELECT min(first) FROM bxhook.received WHERE minute >= a_since / 60000),
        (SELECT matched + 1 FROM bxhook.world))
$$;

-- The last number of those received before a time, at most; NULL: there is none.
CREATE FUNCTION bxhook.last_received(a_to bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT greatest((SELECT max(last) FROM bxhook.received WHERE minute <= a_to / 60000),
        (SELECT max(n) FROM bxhook.event WHERE n > (SELECT matched FROM bxhook.world)
            AND received_at < a_to))
$$;

-- columns shown_event: e.n, e.received_at, e.origin, e.ts, e.facts, p.member_id, p.domain, e.secret AS had_secret, CASE WHEN s.n IS NOT NULL THEN {event_skipped} WHEN u.n IS NOT NULL OR e.n > w.matched THEN {event_fresh} ELSE {event_matched} END AS state, s.reason, s.retryable, x.n IS NULL AS erased, e.installation
CREATE FUNCTION bxhook.show_events(a_n bigint[])
RETURNS TABLE (n bigint, received_at bigint, origin smallint, ts bigint, facts bytea,
    member_id bytea, domain bytea, had_secret boolean, state integer, reason bytea,
    retryable boolean, erased boolean, installation bigint) LANGUAGE sql STABLE AS $$
    SELECT {shown_event}
    FROM unnest(a_n) AS a (n)
    CROSS JOIN LATERAL (SELECT * FROM bxhook.event AS e WHERE e.n = a.n OFFSET 0) AS e
    CROSS JOIN bxhook.world AS w
    LEFT JOIN LATERAL (SELECT * FROM bxhook.portal AS p WHERE p.id = e.portal OFFSET 0) AS p ON true
    LEFT JOIN LATERAL (SELECT * FROM bxhook.skipped AS s WHERE s.n = a.n OFFSET 0) AS s ON true
    LEFT JOIN LATERAL (SELECT * FROM bxhook.unmatched AS u WHERE u.n = a.n OFFSET 0) AS u ON true
    LEFT JOIN LATERAL (SELECT x.n FROM bxhook.secret AS x WHERE x.n = a.n OFFSET 0) AS x ON true
$$;

CREATE FUNCTION bxhook.show_event(a_n bigint)
RETURNS TABLE (body bytea, secret bytea, more bigint, refused bytea) LANGUAGE sql STABLE AS $$
    SELECT e.body, s.data, r.more, r.list FROM bxhook.event AS e
    LEFT JOIN bxhook.secret AS s ON s.n = e.n LEFT JOIN bxhook.refusal AS r ON r.n = e.n
    WHERE e.n = a_n
$$;

-- Deliveries of events, in no order; d_blocked is the one before it in its lane.
CREATE FUNCTION bxhook.show_deliveries(a_n bigint[])
RETURNS TABLE (d bigint, state integer, reason bytea, attempt integer, max_attempts integer,
    due_at bigint, merged_into bigint, ended_at bigint, blocked_by bigint)
LANGUAGE sql STABLE AS $$
    SELECT o.d, CASE WHEN runs THEN {running} ELSE {waiting} END, o.reason,
        o.attempt + runs::integer, o.max_attempts, CASE WHEN NOT runs THEN o.due_at END,
        NULL::bigint, NULL::bigint,
        CASE WHEN o.lane IS NOT NULL AND NOT bxhook.has_turn(o.d, o.portal, o.due_at)
            THEN bxhook.blocker(o.d, o.lane) END
    FROM unnest(a_n) AS a (n) CROSS JOIN LATERAL (SELECT * FROM bxhook.open AS o
        WHERE o.d BETWEEN a.n << 16 AND a.n << 16 | 65535 OFFSET 0) AS o
    CROSS JOIN LATERAL (SELECT EXISTS (
        SELECT 1 FROM bxhook.holder AS h WHERE o.d = ANY (h.running)) AS runs) AS r
    UNION ALL
    SELECT e.d, e.state, e.reason, e.attempt, e.max_attempts, NULL, e.merged_into, e.at, NULL
    FROM unnest(a_n) AS a (n) CROSS JOIN LATERAL (SELECT * FROM bxhook.ended AS e
        WHERE e.d BETWEEN a.n << 16 AND a.n << 16 | 65535 OFFSET 0) AS e
$$;

-- It is claimed, or can be now or at a time.
CREATE FUNCTION bxhook.has_turn(a_d bigint, a_portal bigint, a_due bigint) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM bxhook.ready
            WHERE hook = a_d & 65535 AND portal = a_portal AND d = a_d)
        OR EXISTS (SELECT 1 FROM bxhook.due WHERE at = a_due AND d = a_d)
        OR a_d IN (SELECT c FROM bxhook.claimed() AS c)
$$;

-- The number of the unfinished one right before it in its lane; for one that was put back before a
-- claimed one, that one.
CREATE FUNCTION bxhook.blocker(a_d bigint, a_lane bigint) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_claimed bigint := bxhook.claimed_in(a_lane);
    v_before bigint := (SELECT d FROM bxhook.before(a_lane, a_d, 2)
        WHERE d IS DISTINCT FROM v_claimed ORDER BY d DESC LIMIT 1);
BEGIN
    IF v_claimed IS NOT NULL AND (v_before IS NULL OR v_claimed BETWEEN v_before AND a_d) THEN
        RETURN v_claimed >> 16;
    END IF;
    RETURN v_before >> 16;
END $$;

-- Runs of a delivery, oldest first: those that did not end it, the one that did, the one under way.
CREATE FUNCTION bxhook.show_attempts(a_d bigint)
RETURNS TABLE (attempt integer, result smallint, started_at bigint, ended_at bigint, seed bigint,
    exit integer, signal text, note bytea, out_bytes bigint, err_bytes bigint, out_kept bytea, err_kept bytea)
LANGUAGE sql STABLE AS $$
    SELECT a.attempt, a.result, a.started_at, a.ended_at, a.seed, a.exit, a.signal, a.note,
        a.out_bytes, a.err_bytes, a.out, a.err FROM bxhook.attempt AS a WHERE a.d = a_d
    UNION ALL
    SELECT e.attempt, e.result, e.started_at, e.at, e.seed, e.exit, e.signal, e.note,
        e.out_bytes, e.err_bytes, e.out, e.err FROM bxhook.ended AS e
    WHERE e.d = a_d AND e.result IS NOT NULL
    UNION ALL
    SELECT o.attempt + 1, {ran_running}::smallint, u.s, NULL, u.q, NULL, NULL, NULL, t.out_bytes,
        t.err_bytes, t.out, t.err
    FROM bxhook.holder AS h CROSS JOIN LATERAL unnest(h.running, h.started, h.seeds)
        AS u (d, s, q)
    CROSS JOIN LATERAL (SELECT * FROM bxhook.open AS o WHERE o.d = u.d OFFSET 0) AS o
    LEFT JOIN LATERAL (SELECT * FROM bxhook.output AS t WHERE t.d = u.d OFFSET 0) AS t ON true
    WHERE u.d = a_d
    ORDER BY 1
$$;

-- The end of what the last run of a delivery wrote as errors, for each that has one; a_most bytes.
CREATE FUNCTION bxhook.stderr_ends(a_d bigint[], a_most bigint) RETURNS TABLE (d bigint, err bytea)
LANGUAGE sql STABLE AS $$
    SELECT u.d, substr(r.err, greatest(1, length(r.err) + 1 - a_most)::integer)
    FROM unnest(a_d) AS u (d) CROSS JOIN LATERAL (
        SELECT e.err FROM bxhook.ended AS e WHERE e.d = u.d
        UNION ALL
        (SELECT a.err FROM bxhook.attempt AS a WHERE a.d = u.d
            AND NOT EXISTS (SELECT 1 FROM bxhook.ended AS e WHERE e.d = u.d)
        ORDER BY a.attempt DESC LIMIT 1)) AS r
    WHERE r.err IS NOT NULL
$$;

CREATE FUNCTION bxhook.refusals(a_n bigint[]) RETURNS TABLE (n bigint, list bytea)
LANGUAGE sql STABLE AS $$
    SELECT r.n, r.list FROM bxhook.refusal AS r WHERE r.n = ANY (a_n)
$$;

-- -- Status

CREATE FUNCTION bxhook.event_counts()
RETURNS TABLE (fresh bigint, matched bigint, skipped bigint, unfinished bigint, oldest_new bigint)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_matched bigint := (SELECT w.matched FROM bxhook.world AS w);
    v_first bigint;
BEGIN
    SELECT sum(t.matched), sum(t.skipped) INTO matched, skipped FROM bxhook.event_tally AS t;
    SELECT count(*), min(e.n) INTO fresh, v_first FROM bxhook.event AS e WHERE e.n > v_matched
        AND NOT EXISTS (SELECT 1 FROM bxhook.skipped AS s WHERE s.n = e.n);
    fresh := fresh + (SELECT count(*) FROM bxhook.unmatched);
    v_first := least(v_first, (SELECT min(u.n) FROM bxhook.unmatched AS u));
    oldest_new := (SELECT e.received_at FROM bxhook.event AS e WHERE e.n = v_first);
    unfinished := bxhook.unfinished();
    RETURN NEXT;
END $$;

-- By name; rates from after one minute up to another.
CREATE FUNCTION bxhook.hook_counts(a_after bigint, a_minute bigint)
RETURNS TABLE (name text, open bigint, running bigint, done bigint, dead bigint, merged bigint,
    cancelled bigint, done_now bigint, failed_now bigint, dead_now bigint)
LANGUAGE sql STABLE AS $$
    SELECT h.name, sum(t.open)::bigint,
        (SELECT count(*) FROM bxhook.holder AS w, unnest(w.running) AS r (d)
            WHERE r.d & 65535 = h.id),
        sum(t.done)::bigint, sum(t.dead)::bigint, sum(t.merged)::bigint, sum(t.cancelled)::bigint,
        coalesce(sum(t.ran_done - m.done), 0)::bigint,
        coalesce(sum(t.ran_failed + t.ran_timeout + t.ran_lost - m.failed), 0)::bigint,
        coalesce(sum(t.ended_dead - m.dead), 0)::bigint
    FROM bxhook.hook AS h JOIN bxhook.hook_tally AS t ON t.hook = h.id
    LEFT JOIN LATERAL (SELECT m.done, m.failed, m.dead FROM bxhook.hook_minute AS m
        WHERE m.hook = h.id AND m.shard = t.shard AND m.minute > a_after AND m.minute <= a_minute
        ORDER BY m.minute LIMIT 1) AS m ON true
    GROUP BY h.id, h.name ORDER BY h.name
$$;

CREATE FUNCTION bxhook.due_counts(a_now bigint)
RETURNS TABLE (hook bigint, due bigint, oldest bigint) LANGUAGE sql STABLE AS $$
    SELECT r.hook, count(*), min(r.at) FROM bxhook.ready AS r GROUP BY r.hook
    UNION ALL
    SELECT u.d & 65535, count(*), min(u.at) FROM bxhook.due AS u WHERE u.at <= a_now GROUP BY 1
$$;

CREATE FUNCTION bxhook.blocked_lanes(a_most bigint)
RETURNS TABLE (d bigint, reason bytea, failed_at bigint, behind bigint) LANGUAGE sql STABLE AS $$
    SELECT o.d, o.reason, o.failed_at, (SELECT count(*) - 1 FROM bxhook.open AS b
        WHERE b.lane = o.lane)
    FROM bxhook.open AS o WHERE o.failed_at IS NOT NULL AND o.lane IS NOT NULL
        AND bxhook.has_turn(o.d, o.portal, o.due_at) ORDER BY o.d LIMIT a_most
$$;

CREATE FUNCTION bxhook.live_workers()
RETURNS TABLE (host text, pid bigint, version text, since bigint, running bigint,
    config_error bytea, seen_at bigint, trouble bytea, once boolean) LANGUAGE sql STABLE AS $$
    SELECT w.host, w.pid, w.version, w.since, w.running, w.config_error, w.seen_at, w.trouble, w.once
    FROM bxhook.worker AS w
    WHERE w.lease_until > bxhook.now_ms() OR w.server <> pg_postmaster_start_time()
    ORDER BY w.host, w.pid
$$;

CREATE FUNCTION bxhook.last_once() RETURNS TABLE (left_at bigint, host text, trouble bytea)
LANGUAGE sql STABLE AS $$
    SELECT o.left_at, o.host, o.trouble FROM bxhook.once AS o
$$;

CREATE FUNCTION bxhook.clocks() RETURNS TABLE (boot text, up bigint, wall bigint, step bigint)
LANGUAGE sql STABLE AS $$
    SELECT c.boot, c.up, c.wall, c.step FROM bxhook.clock AS c
$$;
