/* The least that a program with a PostgreSQL store does: loads libpq, connects to the database of
 * argv[1], and ends.
 */
#include <libpq-fe.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    PGconn *connection = PQconnectdb(argc > 1 ? argv[1] : "");
    int failed = PQstatus(connection) != CONNECTION_OK;

    if (failed) fputs(PQerrorMessage(connection), stderr);
    PQfinish(connection);
    return failed;
}
