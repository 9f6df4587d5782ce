#include "cli/templates.h"

#include <array>

#include "base/text.h"

namespace bx {

namespace {

constexpr std::string_view config_text = R"conf(; bxhook's configuration.  Comments begin with ';'.
; A value with blanks, ';', quotes or a leading '{' stands in quotes.  Relative paths are relative
; to this file.  The settings below are the defaults, or examples where there is none: take the ';'
; away to change one.
;
; After an edit: bxhook check --config THIS_FILE.  Changes apply by themselves within seconds.

; -- Who may send events.  Without a portal nothing is accepted.

;portal {                              ; one block for each Bitrix24 account
;    member_id 0123456789abcdef0123456789abcdef  ; auth[member_id] of its events
;    domain    some-domain.bitrix24.com          ; either, both, or in one block neither
;    token     APPLICATION_TOKEN       ; from Bitrix24; each webhook has its own: repeat the line
;}
;portals portals.txt                   ; for many: lines "member_id domain token", - for none

; -- Where things are.

;store     state/queue.db              ; events and deliveries
;hooks_dir hooks                       ; an executable file named as an event is its hook

; -- Hooks with settings, or outside hooks_dir.

;hook crm-sync {
;    event    ONCRMDYNAMICITEM*        ; with `run`: the events it takes; repeatable
;    when   { data.FIELDS.ENTITY_TYPE_ID 1220 }  ; all paths must match
;    unless { auth.user_id 17 }        ; any that matches skips the event: the loop guard
;    run      /usr/local/bin/crm-sync  ; without it: settings of the script of that name
;    arg      --id
;    arg      "{data.FIELDS.ID}"       ; one line is one argument
;    timeout  5m                       ; and any other setting of `defaults`
;    env    { API_URL https://erp.example }
;    dir      /srv/crm                 ; working directory; default: the hook's own
;}

;defaults {                            ; for every hook that does not say otherwise
;    timeout     60s
;    attempts    12
;    backoff     15s                   ; doubles after each failed attempt
;    backoff_max 6h
;    concurrency 4                     ; runs of one hook at a time
;    order       entity                ; entity: one after the other for each deal, contact...; none
;    coalesce    no                    ; yes: waiting updates of one entity become one
;    delay       0s                    ; before the first attempt
;    disabled    no
;}

; -- The worker, which runs hooks.

;worker {
;    start          auto               ; by the gateway when none runs; manual: systemd or cron does
;    concurrency    4                  ; runs at a time, of all hooks
;    shutdown_grace 30s
;}

; -- Limits, and how long finished events are kept.

;limits {
;    body   1M                         ; a larger body is refused with 413
;    fields 1000
;    depth  64
;    queue  1000000                    ; unfinished events; beyond them 503
;    output 64K                        ; of a hook's stdout, and of its stderr, kept
;}
;retention { done 7d  dead 90d }

; -- The log: stderr; of a worker started by the gateway state/bxhook.log.

;log { level info  format text  file "" }
)conf";

constexpr std::array samples{
    SampleHook{"ONCRMDEALUPDATE.sh.sample", R"sh(#!/bin/sh
# Runs for each changed deal.  To enable it: cp ONCRMDEALUPDATE.sh.sample ONCRMDEALUPDATE.sh
#
# $BX_ID is the deal's id; the whole event comes on stdin, as JSON.  Exit 0 is success, 65 gives
# up at once, any other status means: try again later.
echo "deal $BX_ID of $BX_PORTAL was changed"
)sh"},
    SampleHook{"ONCRMDEALADD.php.sample", R"php(#!/usr/bin/env php
<?php
// Runs for each new deal.  To enable it: cp ONCRMDEALADD.php.sample ONCRMDEALADD.php
//
// Note BX_EVENT_NUMBER where acting twice would hurt: after a crash a hook runs again.
$event = json_decode(file_get_contents('php://stdin'), true);
$id = $event['data']['FIELDS']['ID'] ?? null;
if ($id === null) {
    fwrite(STDERR, "no deal in this event\n");
    exit(65);
}
echo 'deal ', $id, ' is new, event ', getenv('BX_EVENT_NUMBER'), "\n";
)php"},
    SampleHook{"any.sh.sample", R"sh(#!/bin/sh
# Runs for every event and keeps it in a file.  To enable it: cp any.sh.sample any.sh
# What comes on stdin holds tokens: the file is for its owner alone.
umask 077
{ printf '%s ' "$BX_RECEIVED_AT"; cat; } >> events.log
)sh"},
};

}  // namespace

std::string_view config_template() {
    return config_text;
}

std::span<const SampleHook> sample_hooks() {
    return samples;
}

// `exec` keeps the socket on fd 0; "$@" would hand the URL's query to a command.
std::string public_script(const std::string& binary, const std::string& config) {
    return "#!/bin/sh\n"
           "# Made by `bxhook init`: all of bxhook that lies below the document root.\n"
           "export BXHOOK_CONFIG=" + shell_word(config) + "\n"
           "exec " + shell_word(binary) + "\n";
}

std::string_view public_htaccess() {
    return R"apache(# Made by `bxhook init`: lets Apache run bxhook.fcgi, by mod_fcgid or as a CGI program.
# "Options not allowed here" in the error log: remove that line, such hosts allow it anyway.
Options +ExecCGI
<FilesMatch "^bxhook\.(fcgi|cgi)$">
    <IfModule mod_fcgid.c>
        SetHandler fcgid-script
    </IfModule>
    <IfModule !mod_fcgid.c>
        SetHandler cgi-script
    </IfModule>
</FilesMatch>
)apache";
}

std::string_view deny_htaccess() {
    return "# Nothing of this directory is ever served.\nRequire all denied\n";
}

}  // namespace bx
