-- The matcher's part.

-- The oldest new events, none behind the one with which their bodies and secrets come to a_bytes, and
-- up to where none is to come any more.  Then a row without one, whose received_at is the last number
-- that was given.
-- columns event_row: e.n, e.received_at, e.origin, e.ts, e.facts, p.member_id, p.domain, e.secret AS had_secret
CREATE FUNCTION bxhook.new_events(a_most bigint, a_bytes bigint)
RETURNS TABLE (seen bigint, n bigint, received_at bigint, origin smallint, ts bigint, facts bytea,
    member_id bytea, domain bytea, had_secret boolean, body bytea, secret bytea,
    installation bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_seen bigint := bxhook.seen_up_to();
    v_matched bigint;
BEGIN
    SELECT matched INTO v_matched FROM bxhook.world;
    -- octet_length reads no bytes, only how many there are.
    RETURN QUERY
    SELECT v_seen, {event_row}, e.body, e.data, e.installation FROM (
        SELECT o.*, s.data, sum(octet_length(o.body) + coalesce(octet_length(s.data), 0))
            OVER (ORDER BY o.n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS ahead
        FROM (
            (SELECT u.n FROM bxhook.unmatched AS u ORDER BY u.n LIMIT a_most)
            UNION ALL
            (SELECT f.n FROM bxhook.event AS f WHERE f.n > v_matched AND f.n <= v_seen
                AND NOT EXISTS (SELECT 1 FROM bxhook.skipped AS k WHERE k.n = f.n)
            ORDER BY f.n LIMIT a_most)
            ORDER BY 1 LIMIT a_most) AS new
        CROSS JOIN LATERAL (SELECT * FROM bxhook.event AS e WHERE e.n = new.n OFFSET 0) AS o
        LEFT JOIN LATERAL (SELECT * FROM bxhook.secret AS s WHERE s.n = new.n OFFSET 0) AS s
            ON true) AS e
    LEFT JOIN LATERAL (SELECT * FROM bxhook.portal AS p WHERE p.id = e.portal OFFSET 0) AS p ON true
    WHERE e.ahead IS NULL OR e.ahead < a_bytes
    ORDER BY e.n;
    seen := v_seen;
    received_at := bxhook.last_number();
    RETURN NEXT;
END $$;

-- Nothing up to a_seen was new: what is there was skipped, and what is not will never come.
CREATE FUNCTION bxhook.pass_over(a_shard bigint, a_seen bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF a_seen > (SELECT matched FROM bxhook.world) THEN
        PERFORM bxhook.lock_matching();
        PERFORM bxhook.pass(a_shard, a_seen, '{}');
    END IF;
END $$;

-- All up to a_to are matched now, but for those that are new and not in a_matching.
CREATE FUNCTION bxhook.pass(a_shard bigint, a_to bigint, a_matching bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_from bigint;
    v_there bigint;
BEGIN
    SELECT matched INTO v_from FROM bxhook.world;
    IF a_to <= v_from THEN
        RETURN;
    END IF;
    INSERT INTO bxhook.received AS r (minute, first, last)
    SELECT received_at / 60000, min(n), max(n) FROM bxhook.event WHERE n > v_from AND n <= a_to
    GROUP BY 1 ORDER BY 1
    ON CONFLICT (minute) DO UPDATE SET first = least(r.first, excluded.first),
        last = greatest(r.last, excluded.last);
    SELECT count(*) INTO v_there FROM bxhook.event WHERE n > v_from AND n <= a_to;
    IF v_there > (SELECT count(*) FROM unnest(a_matching) AS u (n) WHERE n > v_from AND n <= a_to) THEN
        INSERT INTO bxhook.unmatched (n)
        SELECT n FROM bxhook.event AS e WHERE n > v_from AND n <= a_to AND n <> ALL (a_matching)
            AND NOT EXISTS (SELECT 1 FROM bxhook.skipped AS s WHERE s.n = e.n);
    END IF;
    UPDATE bxhook.world SET matched = a_to;
    PERFORM bxhook.count_events(a_shard, a_to - v_from - v_there, 0, 0);
END $$;

-- Those of these events that are still new.
CREATE FUNCTION bxhook.still_new(a_n bigint[]) RETURNS bigint[] LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(e.n ORDER BY e.n), '{}')
    FROM unnest(a_n) AS u (n)
    CROSS JOIN LATERAL (SELECT n FROM bxhook.event AS e WHERE e.n = u.n OFFSET 0) AS e
    CROSS JOIN bxhook.world AS w
    WHERE CASE WHEN e.n > w.matched
        THEN NOT EXISTS (SELECT 1 FROM bxhook.skipped AS s WHERE s.n = e.n)
        ELSE EXISTS (SELECT 1 FROM bxhook.unmatched AS m WHERE m.n = e.n) END
$$;

-- Marks events matched or skipped, and makes their deliveries.  Of events, one element each: a_skip
-- its reason (NULL: matched), a_retryable whether it is to be matched anew, a_refused the refusals
-- (NULL: none) and a_more how many there are beyond them.  Of deliveries, one element each: the
-- rest.  a_seen is what bxhook.new_events gave.
CREATE FUNCTION bxhook.dispatch(a_owner bigint, a_shard bigint, a_now bigint, a_seen bigint,
    a_n bigint[], a_skip bytea[], a_retryable bigint[], a_refused bytea[], a_more bigint[],
    a_d bigint[], a_ordered bigint[], a_coalesce bigint[], a_max bigint[], a_due bigint[],
    a_why bytea[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_live bigint[];
    v_old boolean;
BEGIN
    PERFORM bxhook.lock_matching();
    v_live := bxhook.still_new(a_n);
    IF cardinality(v_live) < cardinality(a_n) THEN
        IF cardinality(v_live) > 0 THEN
            PERFORM bxhook.dispatch_live(a_owner, a_shard, a_now, a_seen, v_live, a_n, a_skip,
                a_retryable, a_refused, a_more, a_d, a_ordered, a_coalesce, a_max, a_due, a_why);
        END IF;
        RETURN;
    END IF;
    v_old := v_live[1] <= (SELECT matched FROM bxhook.world);
    IF v_live[cardinality(v_live)] > a_seen THEN
        RAISE EXCEPTION 'events before it are under way' USING ERRCODE = 'lock_not_available';
    END IF;
    IF v_old OR 1 = ANY (a_coalesce) THEN
        PERFORM bxhook.lock_lanes();
    END IF;
    PERFORM bxhook.pass(a_shard, v_live[cardinality(v_live)], v_live);
    IF v_old THEN
        DELETE FROM bxhook.unmatched WHERE n = ANY (v_live);
    END IF;
    PERFORM bxhook.note_verdicts(a_shard, a_now, a_n, a_skip, a_retryable, a_refused, a_more);
    IF v_old OR 1 = ANY (a_coalesce) THEN
        PERFORM bxhook.put_one(a_shard, a_now, d, o <> 0, c <> 0, m, due, why)
        FROM unnest(a_d, a_ordered, a_coalesce, a_max, a_due, a_why) WITH ORDINALITY
            AS u (d, o, c, m, due, why, i) ORDER BY d >> 16, i;
    ELSE
        PERFORM bxhook.put_many(a_now, a_d, a_ordered, a_max, a_due, a_why);
    END IF;
    PERFORM bxhook.count_deliveries(a_shard, a_d, NULL,
        array_fill({waiting}::bigint, ARRAY[cardinality(a_d)]), NULL);
    PERFORM bxhook.wake_others(a_owner);
END $$;

-- The same, when others were faster with some of them: of those of a_live.
CREATE FUNCTION bxhook.dispatch_live(a_owner bigint, a_shard bigint, a_now bigint, a_seen bigint,
    a_live bigint[], a_n bigint[], a_skip bytea[], a_retryable bigint[], a_refused bytea[],
    a_more bigint[], a_d bigint[], a_ordered bigint[], a_coalesce bigint[], a_max bigint[],
    a_due bigint[], a_why bytea[]) RETURNS void LANGUAGE sql AS $$
    SELECT bxhook.dispatch(a_owner, a_shard, a_now, a_seen, e.n, e.skip, e.retryable, e.refused,
        e.more, coalesce(o.d, '{}'), o.ordered, o.coalesce, o.max, o.due, o.why)
    FROM (SELECT array_agg(n) AS n, array_agg(s) AS skip, array_agg(r) AS retryable,
            array_agg(f) AS refused, array_agg(m) AS more
        FROM unnest(a_n, a_skip, a_retryable, a_refused, a_more) AS u (n, s, r, f, m)
        WHERE n = ANY (a_live)) AS e
    CROSS JOIN (SELECT array_agg(d) AS d, array_agg(o) AS ordered, array_agg(c) AS coalesce,
            array_agg(m) AS max, array_agg(t) AS due, array_agg(w) AS why
        FROM unnest(a_d, a_ordered, a_coalesce, a_max, a_due, a_why) AS u (d, o, c, m, t, w)
        WHERE d >> 16 = ANY (a_live)) AS o
$$;

-- Workers that sleep, but for this one.
CREATE FUNCTION bxhook.wake_others(a_owner bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM bxhook.sleeper WHERE asleep AND owner <> a_owner) THEN
        PERFORM pg_notify('bxhook', '');
    END IF;
END $$;

CREATE FUNCTION bxhook.note_verdicts(a_shard bigint, a_now bigint, a_n bigint[], a_skip bytea[],
    a_retryable bigint[], a_refused bytea[], a_more bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_skipped bigint;
BEGIN
    INSERT INTO bxhook.refusal (n, more, list)
    SELECT n, coalesce(m, 0), coalesce(r, '') FROM unnest(a_n, a_refused, a_more) AS u (n, r, m)
    WHERE r IS NOT NULL OR m > 0
    ON CONFLICT (n) DO UPDATE SET more = excluded.more, list = excluded.list;
    INSERT INTO bxhook.skipped (n, at, retryable, reason)
    SELECT n, a_now, r <> 0, s FROM unnest(a_n, a_skip, a_retryable) AS u (n, s, r)
    WHERE s IS NOT NULL;
    GET DIAGNOSTICS v_skipped = ROW_COUNT;
    IF v_skipped > 0 THEN
        DELETE FROM bxhook.secret USING unnest(a_n, a_skip, a_retryable) AS u (e, s, r)
        WHERE n = e AND n = ANY (a_n) AND s IS NOT NULL AND r = 0;
    END IF;
    PERFORM bxhook.count_events(a_shard, v_skipped, cardinality(a_n) - v_skipped, v_skipped);
END $$;

-- Of events after all that are matched, without merging.  The last one of a lane is told who comes
-- next.  Its row is all that is locked: who ends its run at the same time deletes it before, and it
-- is not found, or is given what was written here.
CREATE FUNCTION bxhook.put_many(a_now bigint, a_d bigint[], a_ordered bigint[], a_max bigint[],
    a_due bigint[], a_why bytea[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_free bigint[];   -- without a lane
    v_first bigint[];  -- of these in their lanes
    v_lane bigint[];
    v_last bigint[];   -- of those before, NULL where the lane was empty
    v_behind bigint[]; -- of v_first, those that come next to one of v_last
BEGIN
    WITH made AS MATERIALIZED (
        SELECT u.d, CASE WHEN a_ordered[i] <> 0 THEN bxhook.lane_of(e.lane, u.d) END AS lane,
            coalesce(p.account, 0) AS portal, a_max[i] AS m, a_due[i] AS due, a_why[i] AS why,
            count(*) OVER (PARTITION BY u.d >> 16) AS fellows
        FROM unnest(a_d) WITH ORDINALITY AS u (d, i)
        CROSS JOIN LATERAL (SELECT lane, portal FROM bxhook.event WHERE n = u.d >> 16 OFFSET 0) AS e
        LEFT JOIN LATERAL (SELECT account FROM bxhook.portal WHERE id = e.portal OFFSET 0) AS p
            ON true
    ), linked AS MATERIALIZED (
        SELECT *, lead(d) OVER (PARTITION BY lane ORDER BY d) AS next,
            row_number() OVER (PARTITION BY lane ORDER BY d) AS place FROM made
    ), put AS (
        INSERT INTO bxhook.open (d, lane, next, portal, due_at, attempt, max_attempts, fellows,
            reason)
        SELECT d, lane, CASE WHEN lane IS NOT NULL THEN next END, portal, due, 0, m, fellows, why
        FROM linked
    )
    SELECT array_agg(d) FILTER (WHERE lane IS NULL),
        array_agg(d) FILTER (WHERE lane IS NOT NULL AND place = 1),
        array_agg(lane) FILTER (WHERE lane IS NOT NULL AND place = 1)
    INTO v_free, v_first, v_lane FROM linked;
    SELECT array_agg(first ORDER BY last), array_agg(last ORDER BY last) INTO v_first, v_last FROM (
        SELECT u.d AS first, (
            SELECT b.d FROM bxhook.before(u.lane, u.d, 2) AS b WHERE b.next IS NULL LIMIT 1) AS last
        FROM unnest(v_first, v_lane) AS u (d, lane)) AS heads;
    WITH told AS (
        UPDATE bxhook.open SET next = v_first[array_position(v_last, d)]
        WHERE d = ANY (v_last) AND next IS NULL RETURNING next
    )
    SELECT array_agg(next) INTO v_behind FROM told;
    PERFORM bxhook.give_turns(v_free || ARRAY(
        SELECT d FROM unnest(v_first) AS u (d) WHERE d <> ALL (coalesce(v_behind, '{}'))), a_now);
END $$;

-- One, wherever it belongs, with merging.
CREATE FUNCTION bxhook.put_one(a_shard bigint, a_now bigint, a_d bigint, a_ordered boolean,
    a_coalesce boolean, a_max bigint, a_due bigint, a_why bytea) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM bxhook.open_one(a_d, a_ordered, 0, a_max, a_due);
    IF a_coalesce THEN
        PERFORM bxhook.merge_into(a_shard, a_d, bxhook.mergeable_into(a_d), true, a_now);
    END IF;
    IF a_why IS NOT NULL THEN
        UPDATE bxhook.open SET reason = a_why WHERE d = a_d AND reason IS NULL;
    END IF;
    PERFORM bxhook.link(a_d, a_now);
    PERFORM bxhook.count_fellows(a_d >> 16);
END $$;

-- Those that are to be matched anew, of a range of numbers and received at a time or later, are new
-- again: the first a_most.  Gives how many, and the last of them.
CREATE FUNCTION bxhook.renew_skipped(a_owner bigint, a_shard bigint, a_received_from bigint,
    a_after bigint, a_up_to bigint, a_most bigint) RETURNS TABLE (renewed bigint, last bigint)
LANGUAGE plpgsql AS $$
DECLARE
    v_n bigint;
BEGIN
    PERFORM bxhook.lock_matching();
    renewed := 0;
    last := a_after;
    FOR v_n IN
        SELECT s.n FROM bxhook.skipped AS s
        CROSS JOIN LATERAL (SELECT * FROM bxhook.event AS e WHERE e.n = s.n OFFSET 0) AS e
        WHERE s.retryable AND s.n > a_after AND s.n <= a_up_to AND e.received_at >= a_received_from
        ORDER BY s.n LIMIT a_most
    LOOP
        PERFORM bxhook.renew(a_owner, a_shard, v_n);
        renewed := renewed + 1;
        last := v_n;
    END LOOP;
    RETURN NEXT;
END $$;

CREATE FUNCTION bxhook.newest_retryable() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(max(n), 0) FROM bxhook.skipped WHERE retryable
$$;

-- Deliveries that wait and have not run yet lose the reason of their dispatch, but those of the hooks
-- a_stopped; a_most.  Gives how many.
CREATE FUNCTION bxhook.forget_reasons(a_stopped bigint[], a_most bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_d bigint[] := ARRAY(SELECT d FROM bxhook.open WHERE attempt = 0 AND reason IS NOT NULL
        AND d & 65535 <> ALL (a_stopped) AND d NOT IN (SELECT c FROM bxhook.claimed() AS c)
        ORDER BY d LIMIT a_most FOR UPDATE SKIP LOCKED);
    v_count bigint;
BEGIN
    UPDATE bxhook.open SET reason = NULL WHERE d = ANY (v_d);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END $$;

CREATE FUNCTION bxhook.fingerprint(a_host text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT fingerprint FROM bxhook.hooks_seen WHERE host = a_host
$$;

CREATE FUNCTION bxhook.keep_fingerprint(a_host text, a_fingerprint text, a_now bigint,
    a_forget bigint) RETURNS void LANGUAGE sql AS $$
    DELETE FROM bxhook.hooks_seen WHERE seen_at < a_forget AND host <> a_host;
    INSERT INTO bxhook.hooks_seen (host, fingerprint, seen_at) VALUES (a_host, a_fingerprint, a_now)
    ON CONFLICT (host) DO UPDATE SET fingerprint = excluded.fingerprint, seen_at = excluded.seen_at
$$;

-- -- Merging

-- The code of an event, as its facts begin with it: a byte with its length, and that many.
CREATE FUNCTION bxhook.code_of(a_facts bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT substr(a_facts, 1, CASE WHEN get_byte(a_facts, 0) < 128 THEN 1 + get_byte(a_facts, 0)
        ELSE 2 + (get_byte(a_facts, 0) & 127) + (get_byte(a_facts, 1) << 7) END)
$$;

-- The deliveries of the same lane and code that wait before it; of the last thousand that wait.
CREATE FUNCTION bxhook.mergeable(a_lane bigint, a_n bigint, a_d bigint) RETURNS bigint[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_code bytea := (SELECT bxhook.code_of(facts) FROM bxhook.event WHERE n = a_n);
BEGIN
    -- Not as a join: from version 16 on the server may read all events in the order of the array.
    RETURN ARRAY(
        SELECT w.d FROM (
            SELECT b.d FROM bxhook.before(a_lane, a_d, 1000) AS b
            WHERE b.d NOT IN (SELECT c FROM bxhook.claimed() AS c)) AS w
        WHERE (SELECT bxhook.code_of(facts) FROM bxhook.event WHERE n = w.d >> 16) = v_code
        ORDER BY w.d);
END $$;

CREATE FUNCTION bxhook.mergeable_into(a_d bigint) RETURNS bigint[] LANGUAGE sql STABLE AS $$
    SELECT bxhook.mergeable(lane, a_d >> 16, a_d) FROM bxhook.open WHERE d = a_d
$$;

-- Merges deliveries into one that takes over attempts, the last failure, and their due time; a_own:
-- its own due time counts for nothing beside theirs.
CREATE FUNCTION bxhook.merge_into(a_shard bigint, a_into bigint, a_d bigint[], a_own boolean,
    a_now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_heir record;
    v_failed record;
    v_turn boolean;
BEGIN
    IF cardinality(a_d) = 0 THEN
        RETURN;
    END IF;
    SELECT max(attempt) AS attempt, max(max_attempts) AS max_attempts,
        min(due_at) FILTER (WHERE NOT a_own OR d <> a_into) AS due,
        bool_or(attempt > 0) FILTER (WHERE d <> a_into) AS taken_over
    INTO v_heir FROM bxhook.open WHERE d = ANY (a_d || a_into);
    SELECT failed_at, reason INTO v_failed FROM bxhook.open
    WHERE d = ANY (a_d || a_into) AND failed_at IS NOT NULL ORDER BY d DESC LIMIT 1;
    PERFORM bxhook.end_waiting(a_shard, d, {merged}, a_into >> 16, a_now)
    FROM unnest(a_d) AS u (d);
    v_turn := bxhook.take_turn(a_into);
    UPDATE bxhook.open SET attempt = v_heir.attempt, max_attempts = v_heir.max_attempts,
        due_at = v_heir.due, failures = CASE WHEN NOT v_heir.taken_over THEN failures END,
        failed_at = v_failed.failed_at, reason = v_failed.reason
    WHERE d = a_into;
    IF v_turn THEN
        PERFORM bxhook.give_turns(ARRAY[a_into], a_now);
    END IF;
END $$;

-- A step ahead of a dispatch of these deliveries: of a lane that has more to merge than a dispatch
-- may, the oldest, 200 at most, are merged into the newest.  False: there is none.
CREATE FUNCTION bxhook.merge_ahead(a_shard bigint, a_now bigint, a_d bigint[]) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_new record;
    v_all bigint[];
    v_into bigint;
BEGIN
    FOR v_new IN
        SELECT bxhook.lane_of(e.lane, u.d) AS lane, min(u.d) AS d
        FROM unnest(a_d) AS u (d)
        CROSS JOIN LATERAL (SELECT * FROM bxhook.event WHERE n = u.d >> 16 OFFSET 0) AS e
        WHERE e.lane IS NOT NULL AND cardinality(bxhook.still_new(ARRAY[e.n])) = 1
        GROUP BY 1, bxhook.code_of(e.facts)
    LOOP
        v_all := bxhook.mergeable(v_new.lane, v_new.d >> 16, v_new.d);
        CONTINUE WHEN cardinality(v_all) <= 5;
        PERFORM bxhook.lock_lanes();
        v_all := bxhook.mergeable(v_new.lane, v_new.d >> 16, v_new.d);
        v_into := v_all[cardinality(v_all)];
        IF v_into IS NOT NULL THEN
            PERFORM bxhook.merge_into(a_shard, v_into,
                v_all[1:least(200, cardinality(v_all) - 1)], false, a_now);
        END IF;
        RETURN true;
    END LOOP;
    RETURN false;
END $$;
