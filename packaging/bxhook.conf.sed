# conf/bxhook.conf as it is uploaded: one line to fill in.
/^;portal {/,/^;}/c\
portal {\
    token ""                           ; between the quotes: the token that Bitrix24 shows for your webhook\
;   domain some-domain.bitrix24.com    ; more accounts: a block for each, with its domain\
}
