#!/bin/sh
# Brings the database to the newest schema.
set -eu
: "${DATABASE_URL:?is not set}"
for file in migrations/*.sql; do
  psql "$DATABASE_URL" --set ON_ERROR_STOP=1 --file "$file"
done
