-- What the gateway writes.

-- @event_add (n, received_at, portal, slot, origin, installation, ts, facts, body)
INSERT INTO event (n, received_at, portal, slot, origin, installation, ts, facts, body)
VALUES (:n, :received_at, :portal, :slot, :origin, :installation, :ts, :facts, :body);

-- @clock_step_add (n)
INSERT INTO clock_step (n) VALUES (:n);
