<?php
// What a PHP developer would write instead: checks the token, then keeps or handles the event.  Which,
// the web server says: BENCH_MODE is sqlite (WAL, synchronous FULL), append (with fdatasync) or exec
// (the hook, waited for).  BENCH_DIR is where, BENCH_HOOK the hook.
const TOKEN = '51856fefc120afa4b628cc82d3935cce';

function fail(int $status): never
{
    http_response_code($status);
    exit;
}

function into_sqlite(string $event, string $dir): bool
{
    // Persistent: a connection for each request is a third slower.
    $db = new PDO("sqlite:$dir/queue.db", null, null, [PDO::ATTR_PERSISTENT => true, PDO::ATTR_TIMEOUT => 30]);
    $db->exec('PRAGMA synchronous = FULL');
    return $db->prepare('INSERT INTO event (received_at, data) VALUES (?, ?)')->execute([time(), $event]);
}

function into_file(string $event, string $dir): bool
{
    $file = fopen("$dir/events", 'ab');
    return fwrite($file, $event . "\n") !== false && fdatasync($file);
}

function by_exec(string $id, string $hook): bool
{
    exec($hook . ' ' . escapeshellarg($id), $output, $status);
    return $status === 0;
}

$sent = $_POST['auth']['application_token'] ?? null;
if (!is_string($sent) || !hash_equals(TOKEN, $sent)) fail(403);
$event = json_encode($_POST);
$done = match ($_SERVER['BENCH_MODE']) {
    'sqlite' => into_sqlite($event, $_SERVER['BENCH_DIR']),
    'append' => into_file($event, $_SERVER['BENCH_DIR']),
    'exec' => by_exec($_POST['data']['FIELDS']['ID'], $_SERVER['BENCH_HOOK']),
};
if (!$done) fail(503);
header('Content-Type: application/json');
echo '{"status":"ok"}';
