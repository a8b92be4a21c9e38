// The page of one's own account.

import "./forms/passwords.js"
import "./sign_out.js"
import "./times.js"
