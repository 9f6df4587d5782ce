#!/usr/bin/env php
<?php
// Asks Bitrix24 for the deal of an event, with the event's own token, and prints a line of it.
//
// Install  cp deal.php HOOKS_DIR/ONCRMDEALADD.php && chmod 755 HOOKS_DIR/ONCRMDEALADD.php
// Set      nothing, or REST_WEBHOOK in env { } of its block, the URL of an incoming webhook: for
//          events that carry no token, because a robot or a workflow caused them.  The event's
//          token has the rights of the user who caused it, and lives for an hour.
// Try      bxhook trigger ONCRMDEALADD --set data.FIELDS.ID=7
//          (with REST_WEBHOOK set: the token of a sample is not a real one)

// Exit statuses.  bxhook repeats the first after a while, and gives up at once on the others.
const TRY_AGAIN = 75, BAD_DATA = 65, NO_PERMISSION = 77, BAD_CONFIG = 78;

function stop(int $status, string $reason)
{
    fwrite(STDERR, "$reason\n");
    exit($status);
}

function call(array $event, string $method, array $parameters): array
{
    $url = getenv('REST_WEBHOOK');
    if (!$url) {
        $domain = getenv('BX_PORTAL')
            ?: stop(BAD_CONFIG, "no domain is in the portal's block: add it, or set REST_WEBHOOK");
        $url = "https://$domain/rest/";
        $parameters['auth'] = $event['auth']['access_token']
            ?? stop(NO_PERMISSION, "the event carries no token: set REST_WEBHOOK in its env");
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
