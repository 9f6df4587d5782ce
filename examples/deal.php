#!/usr/bin/env php
<?php
// Asks Bitrix24 for the deal of an event, and prints a line of it.
//
// Install  cp deal.php HOOKS_DIR/ONCRMDEALADD.php && chmod 755 HOOKS_DIR/ONCRMDEALADD.php
// Set      nothing where an application is installed on the portal (an `app` block); else, in its portal
//          block, `webhook` with the URL of an incoming webhook
// Try      bxhook trigger ONCRMDEALADD --set data.FIELDS.ID=7 --follow

// The result of a REST method.  `bxhook call` has the token, renews it and keeps to the limits; it says on
// stderr what is wrong.  A hook that ends with its status is tried again exactly when that helps.
function call(string $method, string ...$parameters)
{
    $process = proc_open([getenv('BXHOOK'), 'call', $method, ...$parameters], [1 => ['pipe', 'w']], $pipes);
    $result = stream_get_contents($pipes[1]);
    $status = proc_close($process);
    if ($status !== 0) {
        exit($status);
    }
    return json_decode($result, true);
}

$deal = call('crm.deal.get', 'id=' . getenv('BX_ID'));
echo "deal {$deal['ID']}: {$deal['TITLE']}, {$deal['OPPORTUNITY']} {$deal['CURRENCY_ID']}\n";
