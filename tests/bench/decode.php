<?php
// As tests/bench/decode.cpp, with parse_str, which is what fills $_POST but for the bookkeeping of
// the request.  `decode.php`: prints "bytes fields milliseconds peak_kilobytes" of the body on stdin.
// With TIMES in the environment: the nanoseconds of one decoding of it, the loop around them taken off.
function milliseconds(callable $work): float
{
    $ms = fn($usage) => $usage['ru_utime.tv_sec'] * 1000 + $usage['ru_utime.tv_usec'] / 1000
        + $usage['ru_stime.tv_sec'] * 1000 + $usage['ru_stime.tv_usec'] / 1000;
    $start = getrusage();
    $work();
    return $ms(getrusage()) - $ms($start);
}

$body = stream_get_contents(fopen('php://stdin', 'rb'));
$times = (int) getenv('TIMES');
if ($times > 0) {
    $empty = milliseconds(function () use ($times) {
        for ($i = 0; $i < $times; ++$i);
    });
    $full = milliseconds(function () use ($times, $body) {
        for ($i = 0; $i < $times; ++$i) parse_str($body, $result);
    });
    printf("%d\n", 1e6 * ($full - $empty) / $times);
} else {
    $ms = milliseconds(function () use ($body, &$result) {
        parse_str($body, $result);
    });
    preg_match('/VmHWM:\s*(\d+)/', file_get_contents('/proc/self/status'), $peak);
    printf("%d %d %.3f %d\n", strlen($body), count($result, COUNT_NORMAL), $ms, $peak[1]);
}
