#!/usr/bin/env php
<?php
// Fetches the deal an event is about over REST, with the event's own token, and prints a line of it.
//
//     cp deal.php HOOKS_DIR/ONCRMDEALADD.php
//
// The token has the rights of the user who caused the event and lives for an hour.  Events that a
// robot or a workflow caused carry none: give REST_WEBHOOK, the URL of an incoming webhook, in the
// hook's env { } for those.

// Exit statuses.  bxhook repeats the first after a while, and gives up at once on the others.
const TRY_AGAIN = 75, BAD_DATA = 65, NO_PERMISSION = 77;

function stop(int $status, string $reason)
{
    fwrite(STDERR, "$reason\n");
    exit($status);
}

function call(array $event, string $method, array $parameters): array
{
    $url = getenv('REST_WEBHOOK');
    if (!$url) {
        $url = 'https://' . getenv('BX_PORTAL') . '/rest/';
        $parameters['auth'] = $event['auth']['access_token']
            ?? stop(NO_PERMISSION, "the event carries no token: set REST_WEBHOOK in the hook's env");
    }
    $request = ['method' => 'POST', 'timeout' => 20, 'ignore_errors' => true,
        'header' => 'Content-Type: application/x-www-form-urlencoded',
        'content' => http_build_query($parameters)];
    $body = @file_get_contents($url . $method, false, stream_context_create(['http' => $request]));
    if ($body === false) {
        stop(TRY_AGAIN, "$method: no answer");  // PHP's own message would name the URL, a secret
    }
    $status = (int) explode(' ', $http_response_header[0])[1];
    $answer = json_decode($body, true);
    if ($status === 200 && isset($answer['result'])) {
        return $answer['result'];
    }
    $reason = "$method: $status " . ($answer['error'] ?? 'unreadable answer');
    if ($status === 429 || $status >= 500 || $answer === null) {
        stop(TRY_AGAIN, $reason);
    }
    stop($status === 401 || $status === 403 ? NO_PERMISSION : BAD_DATA, $reason);
}

$event = json_decode(stream_get_contents(STDIN), true);
$deal = call($event, 'crm.deal.get', ['id' => getenv('BX_ID')]);
echo "deal {$deal['ID']}: {$deal['TITLE']}, {$deal['OPPORTUNITY']} {$deal['CURRENCY_ID']}\n";
