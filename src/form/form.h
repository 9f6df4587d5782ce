// From the bytes of a body to a Tree, exactly as PHP 8 fills $_POST.
//
// The rules are PHP's own (main/php_variables.c, main/rfc1867.c), measured on 8.2; what PHP would
// cut silently is refused here.  Decoding is linear in the body, bounded before anything is
// built, and never recurses.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"
#include "form/tree.h"

namespace bx {

struct FormLimits {
    std::size_t fields = 1000;
    unsigned depth = 64;
};

// Why a body was refused.  what() names the limit and the number that passed it, or the place.
class FormError : public Error {
public:
    enum class Problem { too_many_fields, too_deep, malformed };
    FormError(Problem why, const std::string& message) : Error(message), problem_(why) {}
    static FormError too_many_fields(std::size_t fields, std::size_t limit);
    static FormError too_deep(unsigned limit);
    static FormError malformed(const std::string& message);

    Problem problem() const { return problem_; }

private:
    Problem problem_;
};

enum class MediaType { form, multipart, json, other };

// CONTENT_TYPE up to the first ';', ',' or blank, in any case.
MediaType media_type(std::string_view content_type);

// Decodes BODY as its CONTENT_TYPE says; TYPE other than `other`.  Throws FormError.
Tree decode_body(std::string body, std::string_view content_type, const FormLimits& limits);

// application/x-www-form-urlencoded.  Segments between '&' count as fields, empty ones too; a
// trailing '&' adds none.  Throws FormError (fields before depth).
Tree decode_urlencoded(std::string body, const FormLimits& limits);

// multipart/form-data (RFC 7578) through cgicc: the names go through the same rules as above.
// File parts, parts without a name and bodies cgicc cannot read are malformed.
Tree decode_multipart(const std::string& body, std::string_view content_type,
                      const FormLimits& limits);

// application/json: an object; numbers as their literal text, true and false as "1" and "0", null
// and empty arrays dropped; the last of a repeated key wins.  Keys are plain: no rule for brackets,
// dots or blanks; one that holds NUL is malformed, as a form cannot have it.  Every scalar, null
// and empty array or object counts as a field; `depth` counts the levels below the outer object.
Tree decode_json(const std::string& body, const FormLimits& limits);

// Assigns TEXT to the variable NAME (already url-decoded), by PHP's rules for brackets, blanks,
// dots and prefixes.  Both are slices of TREE's buffer; NAME's bytes may be changed.  Throws
// FormError when the brackets are deeper than DEPTH.
void assign_variable(Tree& tree, Tree::Slice name, Tree::Slice text, unsigned depth);

}  // namespace bx
