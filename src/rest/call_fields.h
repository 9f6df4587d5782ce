// The arguments of a call as a person or a script types them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bx {

// "fields[TITLE]=A & B", each one field of a form, in that order.  Throws UsageError for one
// without '=' or name, and where the server would keep it for itself (rest/method_call.h).
std::string form_of(const std::vector<std::string>& words);

// The same below the name TOP: "a=1" is TOP[a]=1, and "a[]=1" TOP[a][]=1.  The server keeps none of
// these names for itself, so that only what is not NAME=VALUE is a UsageError.
std::string form_below(const std::string& top, const std::vector<std::string>& words);

// TEXT is a JSON object whose members a method would get.  Throws UsageError, which begins with
// NAME, otherwise.
void check_json_call(const std::string& text, const std::string& name);

// NAME=VALUE as it stands in a form.
std::string form_field(std::string_view name, std::string_view value);

// Throws UsageError where the server would keep an argument NAME for itself.
void require_free_name(const std::string& name);

// The name of that field at the top, as PHP reads it: of "fields[TITLE]" fields.
std::string top_name(std::string_view name);

}  // namespace bx
