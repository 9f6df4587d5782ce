# conf/bxhook.conf as it is uploaded: one line to fill in, and what hooks print in files, since there
# is no shell to ask.
/^;portal {/,/^;}/c\
portal {\
    token ""                           ; between the quotes: the token that Bitrix24 shows for your webhook\
;   domain some-domain.bitrix24.com    ; more accounts: a block for each, with its domain\
}
s/^;\(log { .*\)outputs no/\1outputs yes/
