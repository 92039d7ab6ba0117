INSERT INTO network (mcc, mnc, name, operator, country_code, country, source, source_version)
SELECT mcc, mnc, name, operator, country_code, country, $2, $3
FROM json_to_recordset($1::json)
    AS row (mcc text, mnc text, name text, operator text, country_code text, country text)
ON CONFLICT (mcc, mnc) DO UPDATE SET
    name = excluded.name, operator = excluded.operator, country_code = excluded.country_code,
    country = excluded.country, source = excluded.source, source_version = excluded.source_version
