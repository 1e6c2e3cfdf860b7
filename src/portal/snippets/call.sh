# The key is in the environment, not in the command line, which others can see.
export TENANT_KEY   # read -rs TENANT_KEY

# Who am I?
curl --silent --fail-with-body PUBLIC_URL/v1/admin/org \
  --header "taih-tenant-key: $TENANT_KEY"

# A user. Sent again with the same key, it is answered again and not done again.
curl --silent --fail-with-body PUBLIC_URL/v1/users \
  --header "taih-tenant-key: $TENANT_KEY" \
  --header "Content-Type: application/json" \
  --header "Idempotency-Key: $(uuidgen)" \
  --data '{"user_id": "'"$(uuidgen)"'", "first_name": "Ada"}'
