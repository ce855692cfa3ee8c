-- GET /users/{username}
-- Users of that name, each with its organisation.
SELECT username, user_type, organization_name, organization_tier
FROM user_organizations
WHERE username = :username
ORDER BY user_email, organization_key
