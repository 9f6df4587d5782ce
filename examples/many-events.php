#!/usr/bin/env php
<?php
// One script for many events, as a handler page with a `switch` was.
//
// Install  cp many-events.php /usr/local/bin/many-events && chmod 755 /usr/local/bin/many-events
//          and a block with `run` as in README.md here; without root put it beside bxhook.conf and
//          write `run many-events.php`
// Set      nothing; each case below is where your own work goes
// Try      bxhook trigger ONCRMLEADADD && bxhook trigger ONTASKADD

$event = json_decode(stream_get_contents(STDIN), true);  // what $_POST was
$id = getenv('BX_ID');

switch (getenv('BX_EVENT')) {  // always in upper case
    case 'ONCRMDEALADD':
        echo "deal $id is new\n";
        break;
    case 'ONCRMDEALUPDATE':
        echo "deal $id was changed\n";
        break;
    case 'ONCRMDEALDELETE':
        echo "deal $id is gone\n";
        break;
    case 'ONCRMLEADADD':
        echo "lead $id is new\n";
        break;
    case 'ONTASKADD':
        echo "task {$event['data']['FIELDS_AFTER']['ID']} is new\n";  // the same as $id
        break;
    default:  // the block takes more events than are handled here
        fwrite(STDERR, getenv('BX_EVENT') . " is not handled\n");
        exit(65);
}
