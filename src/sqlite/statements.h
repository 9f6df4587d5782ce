// The statements of the SQLite store, as sql/*.sql has them: each by its name, with as many values
// as it has parameters, in the order in which its head names them.  Of each list of columns there
// a struct, whose numbers tell the columns of a row: rows.number(sql::open_row::attempt).
#pragma once

#include "sqlite/database.h"

namespace bx::sqlite::sql {

#include "sqlite_statements.inc"

}  // namespace bx::sqlite::sql
