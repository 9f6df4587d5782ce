#!/usr/bin/env php
<?php
// Adds a row to a database for every new deal, once, however often the hook runs: SQLite, MySQL or
// MariaDB, by PDO.
//
// Install  cp deals-db.php HOOKS_DIR/ONCRMDEALADD.php && chmod 755 HOOKS_DIR/ONCRMDEALADD.php
// Set      in env { } of its block: DB_DSN, and for MySQL DB_USER and DB_PASSWORD too.  It needs
//          PHP's pdo_sqlite or pdo_mysql (Debian: php-sqlite3, php-mysql)
// Try      bxhook trigger ONCRMDEALADD --set data.FIELDS.ID=7

// Exit statuses.  bxhook repeats the first after a while, and gives up at once on the others.
const TRY_AGAIN = 75, BAD_DATA = 65, BAD_CONFIG = 78;
const DUPLICATE = '23000';  // SQLSTATE: a key that is there already

function stop(int $status, string $reason)
{
    fwrite(STDERR, "$reason\n");
    exit($status);
}

$dsn = getenv('DB_DSN') ?: stop(BAD_CONFIG, 'DB_DSN is not set: give it in env { } of this hook in bxhook.conf');
$deal = getenv('BX_ID') ?: stop(BAD_DATA, 'the event has no id');
$driver = strtok($dsn, ':');
if (!in_array($driver, PDO::getAvailableDrivers(), true)) {
    stop(BAD_CONFIG, "PHP has no pdo_$driver: install it, or name another database in DB_DSN");
}

try {
    $db = new PDO($dsn, getenv('DB_USER') ?: null, getenv('DB_PASSWORD') ?: null,
        [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_TIMEOUT => 10]);
    // The key is the event's number: a second run for the same event adds nothing.  What else the
    // hook changes in this database goes into the same transaction, and is then done once too.
    $db->exec('CREATE TABLE IF NOT EXISTS new_deal (event BIGINT PRIMARY KEY, deal VARCHAR(255) NOT NULL,'
        . ' portal VARCHAR(255) NOT NULL, received_at VARCHAR(32) NOT NULL)');
    $db->beginTransaction();
    $db->prepare('INSERT INTO new_deal (event, deal, portal, received_at) VALUES (?, ?, ?, ?)')->execute([
        getenv('BX_EVENT_NUMBER'), $deal, getenv('BX_PORTAL') ?: '', getenv('BX_RECEIVED_AT')]);
    $db->commit();
    echo "deal $deal: added\n";
} catch (PDOException $error) {
    if ($error->getCode() === DUPLICATE) {
        echo 'event ', getenv('BX_EVENT_NUMBER'), " was added before\n";
        exit(0);
    }
    stop(TRY_AGAIN, $error->getMessage());
}
