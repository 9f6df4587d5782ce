<?php
// As tests/bench/decode.cpp: prints "bytes fields milliseconds peak_kilobytes" of parse_str on the
// body on stdin, which is what fills $_POST but for the bookkeeping of the request.
$body = stream_get_contents(fopen('php://stdin', 'rb'));
$start = getrusage();
parse_str($body, $result);
$end = getrusage();
$ms = fn($usage) => $usage['ru_utime.tv_sec'] * 1000 + $usage['ru_utime.tv_usec'] / 1000
    + $usage['ru_stime.tv_sec'] * 1000 + $usage['ru_stime.tv_usec'] / 1000;
preg_match('/VmHWM:\s*(\d+)/', file_get_contents('/proc/self/status'), $peak);
printf("%d %d %.3f %d\n", strlen($body), count($result, COUNT_NORMAL), $ms($end) - $ms($start), $peak[1]);
