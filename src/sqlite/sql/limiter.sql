-- How fast portals are called.

-- columns level_row: level, at
-- @limiter_level (portal)
SELECT {level_row} FROM limiter WHERE portal = :portal;

-- @limiter_set (portal, level, at)
INSERT OR REPLACE INTO limiter (portal, level, at) VALUES (:portal, :level, :at);

-- columns operating_row: free_at, blocked
-- @operating_of (portal, whose, method)
SELECT {operating_row} FROM operating
WHERE portal = :portal AND whose = :whose AND method = :method;

-- @operating_set (portal, whose, method, free_at, blocked)
INSERT OR REPLACE INTO operating (portal, whose, method, free_at, blocked)
VALUES (:portal, :whose, :method, :free_at, :blocked);

-- @operating_prune (before)
DELETE FROM operating WHERE free_at < :before;
