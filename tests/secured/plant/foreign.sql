-- As superuser: what lies elsewhere is this same database, reached over a connection, and what a program prints.
create extension postgres_fdw;
create extension file_fdw;
create server depot foreign data wrapper postgres_fdw options (host '{host}', port '{port}', dbname '{dbname}');
create server prints foreign data wrapper file_fdw;
create foreign table plant.shipment (id integer, company_id integer, weight integer, note text)
    server depot options (schema_name 'elsewhere', table_name 'shipment');
create foreign table plant.tariff (team text, price integer)
    server prints options (program 'printf "red,5\nred,5\nblue,9\n"', format 'csv');
alter foreign table plant.shipment owner to {owner};
alter foreign table plant.tariff owner to {owner};
alter materialized view plant.company_total owner to {refresher};
-- Anew, so that it is inherited: whoever applies gives and takes rights on what this role owns.
revoke {refresher} from {owner};
grant {refresher} to {owner};
grant select on elsewhere.shipment to {remote};
grant usage on schema elsewhere to {remote};
grant select (company_id) on plant.company_total to {reporter};
grant insert (weight) on plant.shipment to {web} with grant option;
grant select on plant.tariff to public;
