<?php
// What PHP made of the body, in the notation of tests/conformance.cpp.
function tree($value) {
    if (!is_array($value)) return ['s' => base64_encode($value)];
    $pairs = [];
    foreach ($value as $key => $child) $pairs[] = [base64_encode($key), tree($child)];
    return ['a' => $pairs];
}
echo json_encode(tree($_POST), 0, 1024);
