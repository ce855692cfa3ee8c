-- GET /members
-- Users of an organisation, of one type if `user_type` is given.
SELECT DISTINCT username, user_email, user_type
FROM user_organizations
WHERE organization_name = :organization AND (:user_type IS NULL OR user_type = :user_type)
ORDER BY username, user_email
