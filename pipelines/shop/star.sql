-- What the star schema answers: run with psql.

-- Views of products per country and browser, the most viewed first.
SELECT p.product_name, l.country, b.browser_name, count(*) AS views
FROM fact_event f
JOIN product p USING (product_id)
JOIN location l USING (location_id)
JOIN browser b USING (browser_id)
WHERE f.collection = 'view_product_detail'
GROUP BY p.product_name, l.country, b.browser_name
ORDER BY views DESC, p.product_name, l.country, b.browser_name
LIMIT 10;

-- Where visitors came from, on weekends and otherwise.
SELECT coalesce(r.referrer_name, 'Unknown') AS referrer, t.is_weekend, count(*) AS events
FROM fact_event f
JOIN referrer r USING (referrer_id)
JOIN time t USING (time_id)
GROUP BY referrer, t.is_weekend
ORDER BY events DESC, referrer, t.is_weekend;
