-- Lanes: who has the turn.  All but give_turns want bxhook.lock_lanes.

-- What is claimed.
CREATE FUNCTION bxhook.claimed() RETURNS SETOF bigint LANGUAGE sql STABLE AS $$
    SELECT unnest(held || running) FROM bxhook.holder
$$;

-- They have the turn of their lane, or no lane.
CREATE FUNCTION bxhook.give_turns(a_d bigint[], a_now bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_ready bigint;
BEGIN
    IF coalesce(cardinality(a_d), 0) = 0 THEN
        RETURN true;
    END IF;
    INSERT INTO bxhook.ready (hook, portal, d, at)
    SELECT d & 65535, portal, d, due_at FROM bxhook.open WHERE d = ANY (a_d) AND due_at <= a_now;
    GET DIAGNOSTICS v_ready = ROW_COUNT;
    IF v_ready < cardinality(a_d) THEN
        INSERT INTO bxhook.due (at, d)
        SELECT due_at, d FROM bxhook.open WHERE d = ANY (a_d) AND due_at > a_now;
    END IF;
    RETURN true;
END $$;

-- True when it had the turn.
CREATE FUNCTION bxhook.take_turn(a_d bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_open record;
BEGIN
    SELECT portal, due_at INTO v_open FROM bxhook.open WHERE d = a_d;
    DELETE FROM bxhook.ready WHERE hook = a_d & 65535 AND portal = v_open.portal AND d = a_d;
    IF FOUND THEN
        RETURN true;
    END IF;
    DELETE FROM bxhook.due WHERE at = v_open.due_at AND d = a_d;
    RETURN FOUND;
END $$;

-- The claimed one of a lane.
CREATE FUNCTION bxhook.claimed_in(a_lane bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT c FROM bxhook.claimed() AS c
    WHERE (SELECT lane FROM bxhook.open WHERE d = c) = a_lane LIMIT 1
$$;

-- Those of a lane before one, the last first, and behind it.  Compared as rows, which only open_lane
-- has in that order: all there are may be more than those of the lane by far.
CREATE FUNCTION bxhook.before(a_lane bigint, a_d bigint, a_most bigint)
RETURNS TABLE (d bigint, next bigint) LANGUAGE sql STABLE AS $$
    SELECT o.d, o.next FROM bxhook.open AS o
    WHERE o.lane IS NOT NULL AND (o.lane, o.d) < (a_lane, a_d) AND (o.lane, o.d) > (a_lane, 0)
    ORDER BY o.lane DESC, o.d DESC LIMIT a_most
$$;

CREATE FUNCTION bxhook.behind(a_lane bigint, a_d bigint, a_most bigint)
RETURNS TABLE (d bigint) LANGUAGE sql STABLE AS $$
    SELECT o.d FROM bxhook.open AS o WHERE o.lane IS NOT NULL AND (o.lane, o.d) > (a_lane, a_d)
        AND (o.lane, o.d) < (a_lane, 9223372036854775807)
    ORDER BY o.lane, o.d LIMIT a_most
$$;

-- The first of the others in its lane.
CREATE FUNCTION bxhook.first_waiting(a_d bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT b.d FROM bxhook.open AS o CROSS JOIN LATERAL bxhook.behind(o.lane, 0, 2) AS b
    WHERE o.d = a_d AND b.d <> a_d ORDER BY b.d LIMIT 1
$$;

-- Gives one that waits, and is not among the others of its lane yet, its place there.
CREATE FUNCTION bxhook.link(a_d bigint, a_now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_lane bigint := (SELECT lane FROM bxhook.open WHERE d = a_d);
    v_claimed bigint;
    v_before bigint;
    v_first bigint;
BEGIN
    IF v_lane IS NOT NULL THEN
        v_claimed := bxhook.claimed_in(v_lane);
        v_before := coalesce((SELECT d FROM bxhook.before(v_lane, a_d, 2)
            WHERE d IS DISTINCT FROM v_claimed ORDER BY d DESC LIMIT 1), v_claimed);
    END IF;
    IF v_before IS NOT NULL THEN
        UPDATE bxhook.open SET next = (SELECT next FROM bxhook.open WHERE d = v_before)
        WHERE d = a_d;
        UPDATE bxhook.open SET next = a_d WHERE d = v_before;
        RETURN;
    END IF;
    v_first := (SELECT d FROM bxhook.behind(v_lane, a_d, 1));
    UPDATE bxhook.open SET next = v_first WHERE d = a_d AND next IS DISTINCT FROM v_first;
    PERFORM bxhook.take_turn(v_first) WHERE v_first IS NOT NULL;
    PERFORM bxhook.give_turns(ARRAY[a_d], a_now);
END $$;

-- Takes one that waits out of its lane; its row stays.
CREATE FUNCTION bxhook.unlink(a_d bigint, a_now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_old record;
    v_before bigint;
BEGIN
    SELECT lane, next INTO v_old FROM bxhook.open WHERE d = a_d;
    IF bxhook.take_turn(a_d) THEN
        PERFORM bxhook.give_turns(ARRAY[v_old.next], a_now) WHERE v_old.next IS NOT NULL;
        RETURN;
    END IF;
    SELECT d INTO v_before FROM bxhook.before(v_old.lane, a_d, 2) WHERE next = a_d;
    UPDATE bxhook.open SET next = v_old.next
    WHERE d = coalesce(v_before, bxhook.claimed_in(v_old.lane)) AND next = a_d;
END $$;

-- Those of these events whose last open delivery has just ended, as one of those whose fellows do
-- too, or may, elsewhere: each is given to one of those who ask.  Gives how many are finished; their
-- secrets are erased where none is dead.
CREATE FUNCTION bxhook.finish_events(a_n bigint[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_n bigint;
    v_finished bigint[];
BEGIN
    FOR v_n IN SELECT DISTINCT n FROM unnest(a_n) AS u (n) ORDER BY n LOOP
        PERFORM pg_advisory_xact_lock(1652058217, (v_n & 2147483647)::integer);
    END LOOP;
    v_finished := ARRAY(
        SELECT DISTINCT n FROM unnest(a_n) AS u (n) WHERE NOT EXISTS (
            SELECT 1 FROM bxhook.open WHERE d BETWEEN n << 16 AND n << 16 | 65535));
    DELETE FROM bxhook.secret AS s WHERE s.n = ANY (v_finished) AND NOT EXISTS (
        SELECT 1 FROM bxhook.ended WHERE state = {dead}
            AND d BETWEEN s.n << 16 AND s.n << 16 | 65535);
    RETURN cardinality(v_finished);
END $$;

-- One that waits ends without a run: {cancelled} or {merged}.
CREATE FUNCTION bxhook.end_waiting(a_shard bigint, a_d bigint, a_state bigint, a_into bigint,
    a_now bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM bxhook.unlink(a_d, a_now);
    WITH gone AS (
        DELETE FROM bxhook.open WHERE d = a_d RETURNING d, attempt, max_attempts, lane
    )
    INSERT INTO bxhook.ended (d, state, at, attempt, max_attempts, laned, merged_into)
    SELECT d, a_state, a_now, attempt, max_attempts, lane IS NOT NULL, a_into FROM gone;
    PERFORM bxhook.count_deliveries(a_shard, ARRAY[a_d], ARRAY[{waiting}::bigint],
        ARRAY[a_state], NULL);
    PERFORM bxhook.count_events(a_shard, bxhook.finish_events(ARRAY[a_d >> 16]), 0, 0);
END $$;

-- Makes an open delivery, without its place in its lane.
CREATE FUNCTION bxhook.open_one(a_d bigint, a_laned boolean, a_attempt bigint, a_max bigint,
    a_due bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO bxhook.open (d, lane, portal, due_at, attempt, max_attempts, fellows)
    SELECT a_d, CASE WHEN a_laned THEN bxhook.lane_of(e.lane, a_d) END, coalesce(p.account, 0),
        a_due, a_attempt, a_max, 1
    FROM (SELECT a_d >> 16 AS n) AS of LEFT JOIN bxhook.event AS e USING (n)
    LEFT JOIN bxhook.portal AS p ON p.id = e.portal
$$;

-- event.lane with the hook in it.
CREATE FUNCTION bxhook.lane_of(a_lane bigint, a_d bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT a_lane # ((a_d & 65535) * 140000000000003)
$$;

-- All open deliveries of an event know how many it has.
CREATE FUNCTION bxhook.count_fellows(a_n bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE bxhook.open SET fellows = of.fellows FROM (
        SELECT (SELECT count(*) FROM bxhook.open WHERE d BETWEEN a_n << 16 AND a_n << 16 | 65535)
            + (SELECT count(*) FROM bxhook.ended WHERE d BETWEEN a_n << 16 AND a_n << 16 | 65535)
            AS fellows) AS of
    WHERE d BETWEEN a_n << 16 AND a_n << 16 | 65535 AND open.fellows <> of.fellows
$$;
