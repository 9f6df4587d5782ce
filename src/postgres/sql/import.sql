-- What takes over another store, event by event, with their numbers.

-- The first event up to a_last; 0: there is none.
CREATE FUNCTION bxhook.first_event_up_to(a_last bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT n FROM bxhook.event WHERE n <= a_last ORDER BY n LIMIT 1), 0)
$$;

-- The first of these numbers that another event has here; 0: none.
CREATE FUNCTION bxhook.first_other(a_n bigint[], a_facts bytea[], a_body bytea[]) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT coalesce(min(u.n), 0) FROM unnest(a_n, a_facts, a_body) AS u (n, f, b)
    CROSS JOIN LATERAL (SELECT facts, body FROM bxhook.event AS e WHERE e.n = u.n OFFSET 0) AS e
    WHERE e.facts <> f OR e.body <> b
$$;

-- Takes events, one element each; gives the numbers of those that were not there.  a_unfinished 0:
-- they are finished; a_skip_at NULL: not skipped.
CREATE FUNCTION bxhook.take_events(a_shard bigint, a_n bigint[], a_state bigint[],
    a_unfinished bigint[], a_received_at bigint[], a_portal bigint[], a_lane bigint[],
    a_ts bigint[], a_origin bigint[], a_installation bigint[], a_facts bytea[], a_body bytea[],
    a_had_secret bigint[], a_secret bytea[], a_skip_at bigint[], a_reason bytea[], a_retryable bigint[],
    a_refused bytea[], a_more bigint[]) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
DECLARE
    v_last bigint := (SELECT max(n) FROM unnest(a_n) AS u (n));
    v_new bigint[];
BEGIN
    PERFORM bxhook.lock_matching();
    IF v_last > bxhook.seen_up_to() THEN
        RAISE EXCEPTION 'events are under way' USING ERRCODE = 'lock_not_available';
    END IF;
    -- Until they are there they are numbers that never came.
    PERFORM bxhook.pass(a_shard, v_last, '{}');
    WITH added AS (
        INSERT INTO bxhook.event (n, received_at, lane, ts, portal, installation, origin, secret,
            facts, body)
        SELECT n, r, l, t, p, i, o, h <> 0, f, b FROM unnest(a_n, a_received_at, a_lane, a_ts,
            a_portal, a_installation, a_origin, a_had_secret, a_facts, a_body)
            AS u (n, r, l, t, p, i, o, h, f, b)
        ON CONFLICT (n) DO NOTHING RETURNING n
    )
    SELECT coalesce(array_agg(n), '{}') INTO v_new FROM added;
    INSERT INTO bxhook.secret (n, data)
    SELECT n, s FROM unnest(a_n, a_secret) AS u (n, s) WHERE n = ANY (v_new) AND s IS NOT NULL;
    INSERT INTO bxhook.unmatched (n)
    SELECT n FROM unnest(a_n, a_state) AS u (n, s) WHERE n = ANY (v_new) AND s = {event_fresh};
    INSERT INTO bxhook.skipped (n, at, retryable, reason)
    SELECT n, coalesce(t, 0), r <> 0, coalesce(w, '')
    FROM unnest(a_n, a_state, a_skip_at, a_retryable, a_reason) AS u (n, s, t, r, w)
    WHERE n = ANY (v_new) AND s = {event_skipped};
    INSERT INTO bxhook.refusal (n, more, list)
    SELECT n, m, coalesce(r, '') FROM unnest(a_n, a_refused, a_more) AS u (n, r, m)
    WHERE n = ANY (v_new) AND (r IS NOT NULL OR m > 0);
    INSERT INTO bxhook.received AS r (minute, first, last)
    SELECT received_at / 60000, min(n), max(n) FROM bxhook.event WHERE n = ANY (v_new)
    GROUP BY 1 ORDER BY 1
    ON CONFLICT (minute) DO UPDATE SET first = least(r.first, excluded.first),
        last = greatest(r.last, excluded.last);
    PERFORM bxhook.count_events(a_shard, -sum((u <> 0)::integer),
        sum((s = {event_matched})::integer), sum((s = {event_skipped})::integer))
    FROM unnest(a_n, a_state, a_unfinished) AS v (n, s, u) WHERE n = ANY (v_new) HAVING count(*) > 0;
    RETURN QUERY SELECT unnest(v_new);
END $$;

-- Deliveries of events that were taken over in the same transaction, one element each, in the order
-- of a_d.  Of those that have ended the last run is among their columns; one that runs is that of a
-- worker which is gone.
CREATE FUNCTION bxhook.take_deliveries(a_shard bigint, a_now bigint, a_d bigint[],
    a_state bigint[], a_laned bigint[], a_attempt bigint[], a_max bigint[], a_due bigint[],
    a_failed bigint[], a_failures bigint[], a_ended bigint[], a_merged bigint[], a_why bytea[], a_result bigint[],
    a_started bigint[], a_seed bigint[], a_exit bigint[], a_signal text[], a_note bytea[],
    a_out bytea[], a_out_bytes bigint[], a_err bytea[], a_err_bytes bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_new record;
BEGIN
    PERFORM bxhook.lock_lanes();
    INSERT INTO bxhook.ended (d, state, at, attempt, max_attempts, laned, merged_into, reason,
        result, started_at, seed, exit, signal, note, out, out_bytes, err, err_bytes)
    SELECT d, s, e, a, m, l <> 0, i, w, r, t, q, x, g, n, o, ob, f, fb
    FROM unnest(a_d, a_state, a_ended, a_attempt, a_max, a_laned, a_merged, a_why, a_result,
        a_started, a_seed, a_exit, a_signal, a_note, a_out, a_out_bytes, a_err, a_err_bytes)
        AS u (d, s, e, a, m, l, i, w, r, t, q, x, g, n, o, ob, f, fb)
    WHERE s >= {done};
    FOR v_new IN
        SELECT * FROM unnest(a_d, a_state, a_laned, a_attempt, a_max, a_due, a_failed, a_failures,
            a_why, a_started, a_seed)
            AS u (d, s, laned, attempt, max, due, failed, failures, why, started, seed)
        WHERE s < {done} ORDER BY s DESC, d
    LOOP
        PERFORM bxhook.open_one(v_new.d, v_new.laned <> 0,
            v_new.attempt - (v_new.s = {running})::integer, v_new.max, coalesce(v_new.due, a_now));
        UPDATE bxhook.open SET failures = v_new.failures, failed_at = v_new.failed,
            reason = v_new.why WHERE d = v_new.d;
        IF v_new.s = {waiting} THEN
            PERFORM bxhook.link(v_new.d, a_now);
        ELSE
            UPDATE bxhook.open SET next = bxhook.first_waiting(v_new.d) WHERE d = v_new.d;
            PERFORM bxhook.take_turn(next) FROM bxhook.open WHERE d = v_new.d AND next IS NOT NULL;
            INSERT INTO bxhook.holder AS h (owner, running, started, seeds) VALUES (0,
                ARRAY[v_new.d], ARRAY[coalesce(v_new.started, a_now)], ARRAY[coalesce(v_new.seed, 0)])
            ON CONFLICT (owner) DO UPDATE SET running = h.running || excluded.running,
                started = h.started || excluded.started, seeds = h.seeds || excluded.seeds;
        END IF;
    END LOOP;
    PERFORM bxhook.count_fellows(n) FROM (
        SELECT DISTINCT d >> 16 AS n FROM unnest(a_d) AS u (d)) AS events;
    PERFORM bxhook.count_deliveries(a_shard, a_d, NULL,
        ARRAY(SELECT CASE WHEN s = {running} THEN {waiting} ELSE s END
            FROM unnest(a_state) AS u (s)), NULL);
END $$;

-- Runs of theirs that did not end them.
CREATE FUNCTION bxhook.take_attempts(a_d bigint[], a_attempt bigint[], a_result bigint[],
    a_started bigint[], a_ended bigint[], a_seed bigint[], a_exit bigint[], a_signal text[],
    a_note bytea[], a_out bytea[], a_out_bytes bigint[], a_err bytea[], a_err_bytes bigint[])
RETURNS void LANGUAGE sql AS $$
    INSERT INTO bxhook.attempt (d, attempt, result, started_at, ended_at, seed, exit, signal, note,
        out, out_bytes, err, err_bytes)
    SELECT * FROM unnest(a_d, a_attempt, a_result, a_started, a_ended, a_seed, a_exit, a_signal,
        a_note, a_out, a_out_bytes, a_err, a_err_bytes)
$$;

-- Numbers that are given from now on are beyond a_last.  Those left out are nobody's, and not to be
-- taken for unfinished events.
CREATE FUNCTION bxhook.give_numbers_after(a_shard bigint, a_last bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM bxhook.lock_matching();
    PERFORM setval('bxhook.event_number', a_last) FROM bxhook.event_number
    WHERE last_value < a_last;
    PERFORM bxhook.pass(a_shard, bxhook.seen_up_to(), '{}');
END $$;

-- The installation here that is one of another store's; NULL: there is none.
CREATE FUNCTION bxhook.same_installation(a_member bytea, a_client bytea, a_token bytea,
    a_page_key bytea) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT i.id FROM bxhook.installation AS i WHERE i.member_id = a_member
        AND (a_client <> '' AND i.client_id = a_client OR i.application_token = a_token
            OR i.application_token_before = a_token OR i.page_key = a_page_key)
    ORDER BY i.state, i.id DESC LIMIT 1
$$;

-- Takes one over.  Gives its id here, NULL for none, and whether it was not there.  a_tokens NULL:
-- they are erased; a_moved: it was taken over before, and is not to be made again without any.
CREATE FUNCTION bxhook.take_installation(a_member bytea, a_client bytea, a_state bigint,
    a_domain bytea, a_user bytea, a_token bytea, a_token_before bytea, a_page_key bytea,
    a_expires bigint, a_endpoint bytea, a_server bytea, a_scope bytea, a_plan bytea, a_peer bytea,
    a_installed bigint, a_installed_ts bigint, a_renewed bigint, a_last_event bigint,
    a_gone bigint, a_lease_by text, a_in_doubt boolean, a_problem bytea, a_tokens bytea,
    a_moved boolean)
RETURNS TABLE (id bigint, made boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_id bigint;
    v_lease bigint := CASE WHEN a_in_doubt THEN 0 END;  -- one that is over
BEGIN
    PERFORM bxhook.lock_installations();
    v_id := bxhook.same_installation(a_member, a_client, a_token, a_page_key);
    IF v_id IS NULL AND a_moved AND a_tokens IS NULL THEN
        RETURN QUERY SELECT NULL::bigint, false;
        RETURN;
    END IF;
    IF v_id IS NULL THEN
        INSERT INTO bxhook.installation AS i (member_id, client_id, state, domain, user_id,
            application_token, application_token_before, page_key, token_expires_at,
            client_endpoint, server, scope, plan_status, peer, installed_at, installed_ts,
            renewed_at, last_event_at, gone_at, lease_until, lease_by, problem)
        VALUES (a_member, a_client, a_state, a_domain, a_user, a_token, a_token_before, a_page_key,
            a_expires, a_endpoint, a_server, a_scope, a_plan, a_peer, a_installed, a_installed_ts,
            a_renewed, a_last_event, a_gone, v_lease, a_lease_by, a_problem) RETURNING i.id INTO v_id;
        IF a_tokens IS NOT NULL THEN
            PERFORM bxhook.keep_tokens(v_id, a_tokens);
        END IF;
        RETURN QUERY SELECT v_id, true;
        RETURN;
    END IF;
    UPDATE bxhook.installation SET state = CASE WHEN a_moved THEN state ELSE a_state END,
        domain = a_domain, user_id = a_user, application_token = coalesce(a_token, application_token),
        application_token_before = a_token_before, token_expires_at = a_expires,
        client_endpoint = coalesce(a_endpoint, client_endpoint), server = coalesce(a_server, server),
        scope = coalesce(a_scope, scope), plan_status = coalesce(a_plan, plan_status),
        installed_at = a_installed, installed_ts = a_installed_ts, renewed_at = a_renewed,
        gone_at = NULL, lease_until = v_lease, lease_by = a_lease_by,
        problem = CASE WHEN a_moved THEN problem ELSE a_problem END
    WHERE id = v_id AND a_tokens IS NOT NULL AND client_id = a_client
        AND greatest(a_installed, a_renewed) > greatest(installed_at, renewed_at);
    IF FOUND THEN
        PERFORM bxhook.keep_tokens(v_id, a_tokens);
    END IF;
    RETURN QUERY SELECT v_id, false;
END $$;

-- What is to be done for one that was made.
CREATE FUNCTION bxhook.take_chores(a_id bigint, a_what bigint[], a_due bigint[], a_tries bigint[])
RETURNS void LANGUAGE sql AS $$
    INSERT INTO bxhook.chore (installation, what, due_at, tries)
    SELECT a_id, w, d, t FROM unnest(a_what, a_due, a_tries) AS u (w, d, t) ON CONFLICT DO NOTHING
$$;

-- Posts that are held for one, but those that were taken over before.
CREATE FUNCTION bxhook.take_posts(a_id bigint, a_received_at bigint[], a_bytes bigint[],
    a_counted bigint[], a_token bytea[], a_data bytea[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO bxhook.held_post (installation, received_at, bytes, counted, token, data)
    SELECT a_id, r, b, c <> 0, t, d
    FROM unnest(a_received_at, a_bytes, a_counted, a_token, a_data) WITH ORDINALITY
        AS u (r, b, c, t, d, i)
    WHERE NOT EXISTS (SELECT 1 FROM bxhook.held_post AS h WHERE h.installation = a_id
        AND h.received_at = r AND h.token = t AND h.data = d)
    ORDER BY i
$$;

-- The application_token of a verified one that has posts with it; NULL: it has none.
CREATE FUNCTION bxhook.token_of_posts(a_id bigint) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT i.application_token FROM bxhook.installation AS i
    WHERE i.id = a_id AND i.state IN ({of_active}, {of_broken}) AND EXISTS (
        SELECT 1 FROM bxhook.held_post AS h
        WHERE h.installation = i.id AND h.token = i.application_token)
$$;
