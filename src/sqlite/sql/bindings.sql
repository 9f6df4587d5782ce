-- Subscriptions of ours.

-- columns own_binding: event, handler, offline, by_hand, bound_at
-- @bindings_of (installation)
SELECT {own_binding} FROM binding WHERE installation = :installation
ORDER BY event, offline, handler;

-- @binding_add (installation, event, handler, offline, by_hand, bound_at)
INSERT OR REPLACE INTO binding (installation, event, handler, offline, by_hand, bound_at)
SELECT id, :event, :handler, :offline, :by_hand, :bound_at FROM installation
WHERE id = :installation;

-- @binding_remove (installation, event, handler, offline)
DELETE FROM binding WHERE installation = :installation AND event = :event AND handler = :handler
    AND offline = :offline;

-- @bindings_remove (installation)
DELETE FROM binding WHERE installation = :installation;
