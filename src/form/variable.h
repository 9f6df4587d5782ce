// PHP's rules for the name of a variable: which place in the tree "a[b][]" means.
#pragma once

#include "form/tree.h"

namespace bx {

// Assigns TEXT to the variable NAME (already url-decoded), by PHP's rules for brackets, blanks,
// dots and prefixes.  Both are slices of TREE's buffer; NAME's bytes may be changed.  Throws
// FormError when the brackets are deeper than DEPTH.
void assign_variable(Tree& tree, Tree::Slice name, Tree::Slice text, unsigned depth);

}  // namespace bx
