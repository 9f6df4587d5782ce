-- Subscriptions of ours.

-- columns own_binding: event, handler, offline, by_hand, bound_at
CREATE FUNCTION bxhook.bindings_of(a_id bigint)
RETURNS TABLE (event bytea, handler bytea, offline boolean, by_hand boolean, bound_at bigint)
LANGUAGE sql STABLE AS $$
    SELECT {own_binding} FROM bxhook.binding WHERE installation = a_id
    ORDER BY event, offline, handler
$$;

-- One element each.
CREATE FUNCTION bxhook.add_bindings(a_id bigint, a_event bytea[], a_handler bytea[],
    a_offline bigint[], a_by_hand bigint[], a_bound bigint[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO bxhook.binding (installation, {own_binding})
    SELECT i.id, u.e, coalesce(u.h, ''), coalesce(u.o, 0) <> 0, coalesce(u.y, 0) <> 0,
        coalesce(u.b, 0)
    FROM bxhook.installation AS i
    CROSS JOIN unnest(a_event, a_handler, a_offline, a_by_hand, a_bound) AS u (e, h, o, y, b)
    WHERE i.id = a_id
    ON CONFLICT (installation, event, offline, handler) DO UPDATE
    SET by_hand = excluded.by_hand, bound_at = excluded.bound_at
$$;

CREATE FUNCTION bxhook.remove_bindings(a_id bigint, a_event bytea[], a_handler bytea[],
    a_offline bigint[]) RETURNS void LANGUAGE sql AS $$
    DELETE FROM bxhook.binding AS b USING unnest(a_event, a_handler, a_offline) AS u (e, h, o)
    WHERE b.installation = a_id AND b.event = u.e AND b.handler = coalesce(u.h, '')
        AND b.offline = (coalesce(u.o, 0) <> 0)
$$;
