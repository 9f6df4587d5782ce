<?php
// What PHP made of the body, keys' types and order included.
echo serialize($_POST);
